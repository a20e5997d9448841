-- How many contracts are there in each country, and how many parties do they have?
-- Grain: a country of contracts, as written by the source; no trimming, no case-folding. That of an address is another.
-- Traps: contracts, held ones and relations add up over countries, parties do not: one of contracts in two countries
-- counts in both. Joining parties to contracts repeats contracts, so each is counted apart.
-- The name differs from dim_contract.country, since GROUP BY takes a SELECT's alias before a column.
WITH contract AS (
    SELECT
        contract_id,
        is_held,
        IF(REGEXP_CONTAINS(country, r'\S'), country, '(unknown)') AS known_country
    FROM dwh.dim_contract
),

contract_total AS (
    SELECT
        known_country,
        COUNT(*) AS contract_count,
        COUNTIF(is_held) AS held_count
    FROM contract
    GROUP BY known_country
),

party_total AS (
    SELECT
        contract.known_country,
        COUNT(DISTINCT relation.contract_id) AS with_party_count,
        COUNT(*) AS relation_count,
        COUNT(DISTINCT relation.party_id) AS party_count
    FROM contract
    INNER JOIN dwh.fact_contract_party AS relation ON contract.contract_id = relation.contract_id
    GROUP BY contract.known_country
)

SELECT
    contract_total.known_country AS country,
    contract_total.contract_count,
    contract_total.held_count,
    contract_total.contract_count - COALESCE(party_total.with_party_count, 0) AS without_party_count,
    COALESCE(party_total.relation_count, 0) AS relation_count,
    COALESCE(party_total.party_count, 0) AS party_count
FROM contract_total
LEFT JOIN party_total ON contract_total.known_country = party_total.known_country
