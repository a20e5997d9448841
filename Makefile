# Lumbung. `make help` lists the targets; settings can be given after them: make run DAY=2026-11-10.
.DEFAULT_GOAL := help
.PHONY: help install install-azure run run-tweets run-models run-contracts up answers report docs backfill doctor erd budget env reseed test test-midnight test-docker test-yarn faults bench audit lint lint-ci tools package release deploy check-schema format lock clean

lumbung := .venv/bin/lumbung
code := include plugins dags services tools benchmarks tests

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

install: ## Make the environments (.venv, .venv-bigquery)
	@infra/install.sh

install-azure: ## Add to .venv what a lake on Azure needs
	@infra/install.sh azure

run: install ## Run the warehouse for a day and print the answers (DAY=YYYY-MM-DD, REFRESH=1)
	@$(lumbung) run $(if $(DAY),--day $(DAY)) $(if $(REFRESH),--refresh)

run-tweets: install ## Run the path of tweets for a day with a real Kafka, print the marts (DAY=…, SOURCE=archive, ARCHIVE=folder)
	@$(lumbung) tweets run $(if $(DAY),--day $(DAY)) $(if $(SOURCE),--source $(SOURCE)) $(if $(ARCHIVE),--path "$(ARCHIVE)")

run-models: install ## Run the path of models with a real Kafka: replay, batches, training; print the models and how to serve them (DATASET=…, CONTRACT=…, BY=count:5000, SCHEME=a)
	@$(lumbung) models run $(if $(DAY),--day $(DAY)) $(if $(DATASET),--dataset "$(DATASET)") $(if $(CONTRACT),--contract "$(CONTRACT)") \
		$(if $(BY),--by $(BY)) $(if $(SCHEME),--scheme $(SCHEME))

run-contracts: install ## Run the path of contract events with a real Kafka, print the events and three messages (DAY=…, SOURCE=folder, REFRESH=1)
	@$(lumbung) contract-events run $(if $(DAY),--day $(DAY)) $(if $(SOURCE),--source "$(SOURCE)") $(if $(REFRESH),--refresh)

up: install ## Airflow's page, scheduler and the local services, until Ctrl-C
	@$(lumbung) up

answers: install ## Print the answers from what is published
	@$(lumbung) answers

report: install ## Write the report page
	@$(lumbung) report

docs: install ## Write the catalogue of all tables as files (OUT=build/catalogue)
	@$(lumbung) docs --out "$(if $(OUT),$(OUT),build/catalogue)"

backfill: install ## Run every day FROM=YYYY-MM-DD TO=YYYY-MM-DD
	@$(lumbung) backfill $(FROM) $(TO)

doctor: install ## Check what Lumbung needs
	@$(lumbung) doctor

erd: install ## Draw the tables from their contracts (docs/images/erd.svg, docs/reference/tables*.md)
	@PYTHONPATH=tools .venv/bin/python -m erd

budget: install ## Write the budget's pages (docs/reference/budget*.md)
	@PYTHONPATH=tools .venv/bin/python -m budget

env: ## Write what Docker Compose needs to .env (PROFILES=stream,spark,search; LUMBUNG_PROJECT=… for real BigQuery)
	@LUMBUNG_PROJECT=$(LUMBUNG_PROJECT) PROFILES="$(PROFILES)" infra/env.sh

reseed: ## Fill course_enrollment of Docker Compose's PostgreSQL again
	@docker compose exec -T postgres /docker-entrypoint-initdb.d/20-seed.sh

test: ## Run the whole test suite
	@infra/install.sh dev
	@.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

test-midnight: ## Run the tests about days while a day ends in Jakarta (AT=00:30, ONLY=tests/system/test_cli.py)
	@infra/install.sh dev
	@PYTHONPATH=include:tests .venv/bin/python -m support.midnight $(if $(AT),--at $(AT)) --durations=15 $(ONLY)

test-docker: ## Build the images, bring the services up and try them (starts a Docker engine if none runs)
	@infra/install.sh dev
	@.venv/bin/pytest tests/docker -s --durations=15

test-yarn: ## Try spark-submit on a YARN and an HDFS of this machine (Java, Maven; a minute or two)
	@infra/install.sh dev
	@.venv/bin/pytest tests/yarn -s --durations=5

faults: ## Disturb runs and compare all tables (SEED=1, KILLS=200, FILES=1000, DAYS=30, ROUNDS=50, ONLY="kills contracts files")
	@infra/install.sh dev
	@PYTHONPATH=tests .venv/bin/python -m faults $(ONLY) $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(FILES),--files $(FILES)) $(if $(DAYS),--days $(DAYS)) $(if $(ROUNDS),--rounds $(ROUNDS))

bench: ## Measure beside the alternatives, write docs/reference/measurements.* (ONLY="extract day json warm backfill …", ENROLLMENTS="10000 1000000", STAGES="again changed", WAYS="peer lumbung", STUDENTS=, CONTRACTS=, DAYS=, BACKFILL_DAYS=, ROUNDS=)
	@infra/install.sh bench
	@PYTHONPATH=.:tests .venv/bin/python -m benchmarks $(ONLY) $(if $(ENROLLMENTS),--enrollments $(ENROLLMENTS)) $(if $(STAGES),--stages $(STAGES)) $(if $(WAYS),--ways $(WAYS)) \
		$(if $(STUDENTS),--students $(STUDENTS)) $(if $(CONTRACTS),--contracts $(CONTRACTS)) $(if $(DAYS),--days $(DAYS)) \
		$(if $(BACKFILL_DAYS),--backfill-days $(BACKFILL_DAYS)) $(if $(ROUNDS),--rounds $(ROUNDS))

audit: ## Look up known vulnerabilities in the locked dependencies (asks api.osv.dev)
	@infra/install.sh audit
	@for lock in airflow bigquery dev spark bench uv; do echo "$$lock"; \
		.venv-audit/bin/pip-audit --vulnerability-service osv --disable-pip --require-hashes --progress-spinner off \
		-r requirements/$$lock.txt || exit 1; done

lint: ## Check code, types, SQL, contracts, test cases and imports
	@infra/install.sh dev
	@.venv/bin/ruff check $(code)
	@.venv/bin/ruff format --check $(code)
	@.venv/bin/mypy
	@.venv/bin/mypy --python-executable .venv-bigquery/bin/python --cache-dir .mypy_cache/bigquery -p bigquery
	@.venv/bin/sqlfluff lint --disable-progress-bar include/sql
	@.venv/bin/python tools/imports.py
	@$(lumbung) check

lint-ci: ## Check the syntax of the pipelines, Jenkinsfile and .github/workflows (needs Node.js, Go, Java)
	@infra/lint-ci.sh

tools: ## Install what tests and lint-ci use beside Python's packages: Azurite, npm-groovy-lint, actionlint
	@infra/tools.sh

package: install ## Write what is released to build/: the wheel, the files that a host needs, the Spark job's zip and main file
	@infra/release.sh package
	@.venv/bin/python -m lumbung.spark.package build

release: ## Build the images, push them and put them on a host: ENV=qa (variables: infra/release.sh)
	@infra/release.sh release $(ENV)

deploy: ## Put a version that was released on a host: ENV=prod (VERSION=commit; variables: infra/release.sh)
	@infra/release.sh deploy $(ENV)

check-schema: install ## Ask the schema registry whether it takes the schema of contract events
	@$(lumbung) contract-events schema check

format: ## Format code and SQL
	@infra/install.sh dev
	@.venv/bin/ruff check --fix $(code)
	@.venv/bin/ruff format $(code)
	@.venv/bin/sqlfluff fix --disable-progress-bar include/sql

lock: install ## Lock requirements/*.in again
	@infra/lock.sh

clean: ## Delete all local state (LUMBUNG_HOME)
	@if [ -x $(lumbung) ]; then $(lumbung) clean; else rm -rf "$${LUMBUNG_HOME:-.lumbung}"; fi
