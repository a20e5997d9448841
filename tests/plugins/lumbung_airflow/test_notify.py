"""Who is notified of a run that failed or is late."""

import pytest
from pydantic import SecretStr

from lumbung.core.settings import Settings
from lumbung_airflow.notify import report
from support.hook import posts


def test_a_mail_that_cannot_be_sent_does_not_keep_the_webhook_from_being_notified():
    with posts() as (url, received):
        settings = Settings.of(notify_email="ops@example.com", notify_webhook=SecretStr(url))
        with pytest.raises(Exception, match="SMTP connection is not found"):
            report(settings, "enrollment", "a_run", "is late", "it has not ended well")
    assert [post["text"] for post in received] == ["Lumbung: enrollment a_run is late: it has not ended well"]
