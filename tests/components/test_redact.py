"""Secrets of a URL are masked before it is printed or written."""

import pytest

from components.core.errors import KnockoutError, redact

SECRET = "s3cr3t"
URLS = {
    f"postgresql://me:{SECRET}@db.lab:5432/trials": "postgresql://***@db.lab:5432/trials",
    f"https://{SECRET}@mlflow.lab": "https://***@mlflow.lab",
    f"https://mlflow.lab/path?token={SECRET}&x=1": "https://mlflow.lab/path?***",
    f"https://mlflow.lab/#{SECRET}": "https://mlflow.lab/?***",
    f"mysql+pymysql://me:p@{SECRET}/'x y\"?@db/x": "mysql+pymysql://***@db/x",
    f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}": "mssql+pyodbc:///?***",
    f"dask://me:{SECRET}@host:8786": "dask://***@host:8786",
}
PLAIN = [
    "sqlite:////home/me@lab/trials.db",
    "dask://host:8786",
    "http://127.0.0.1:5000",
    "databricks://profile",
    "a?b@c",
]


@pytest.mark.parametrize(("url", "redacted"), URLS.items())
def test_a_url_is_shown_without_what_may_be_secret(url: str, redacted: str):
    assert redact(url, url) == redacted
    assert redact(redacted) == redacted, "once is enough"


@pytest.mark.parametrize("url", PLAIN)
def test_a_url_without_secrets_is_shown_as_it_is(url: str):
    assert redact(url, url) == redact(url) == url
    assert redact(f"see {url}, please. Is it there?", url) == f"see {url}, please. Is it there?"


def test_secrets_are_masked_where_a_library_quotes_them_alone():
    url = "postgresql://me:s3cr%20t@db/x?sslpassword=hidden-too"
    text = "FATAL for 's3cr t' and 's3cr%20t' (with url: /api?sslpassword=hidden-too), see http://u:p@other/y"
    redacted = redact(text, url)
    assert redacted == "FATAL for '***' and '***' (with url: /api?***), see http://***@other/y"


def test_an_error_gives_no_password_away():
    url = f"postgresql://me:{SECRET}@db/x"
    error = KnockoutError(f"no answer from {url}: try again.", where=url)
    assert str(error) == "postgresql://***@db/x: no answer from postgresql://***@db/x: try again."
