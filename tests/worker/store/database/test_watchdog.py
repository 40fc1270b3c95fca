"""A PostgreSQL server that does not answer, behind a proxy that stops forwarding."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.conftest import OUTSIDE_POSTGRES
from tests.proxy import proxied
from worker.contract.settings import ServiceSettings
from worker.store import Store, StoreUnavailable
from worker.store.database.engine import BACKOFF_S, Database

TIMEOUT_S = 1.0

pytestmark = [
    pytest.mark.skipif(OUTSIDE_POSTGRES is None, reason="needs PostgreSQL"),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


@pytest.fixture
def behind_proxy(database_url):
    with proxied(database_url) as found:
        yield found


@pytest.fixture
def store(behind_proxy, tmp_path):
    settings = ServiceSettings(
        data_dir=tmp_path / "data", database_url=behind_proxy[0], database_timeout_s=TIMEOUT_S
    )
    opened = Store.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def proxy(behind_proxy):
    return behind_proxy[1]


def test_a_database_that_stops_answering_is_unavailable_within_the_timeout_and_serves_again(store, proxy):
    store.check()
    proxy.be_silent()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.check()
    assert time.monotonic() - began < 15  # the connection is found dead, and no other one comes about
    proxy.be_silent(is_silent=False)
    time.sleep(BACKOFF_S)
    store.check()


def test_a_transaction_ends_when_the_database_stops_answering(store, proxy):
    def write():
        with store._database.write() as connection:
            proxy.be_silent()
            connection.execute(sa.text("SELECT 1"))

    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        write()
    assert TIMEOUT_S < time.monotonic() - began < TIMEOUT_S + 3
    assert store._database._engine.pool.checkedout() == 0


def test_many_threads_that_query_a_silent_database_all_return(store, proxy):
    proxy.be_silent()
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(store.check) for _ in range(20)]
        assert {type(answer.exception(timeout=20)) for answer in asked} == {StoreUnavailable}
    proxy.be_silent(is_silent=False)
    time.sleep(BACKOFF_S)
    store.check()


def test_a_statement_or_a_lock_that_takes_too_long_is_ended_by_the_server(store, behind_proxy):
    with pytest.raises(StoreUnavailable) as caught, store._database.read() as connection:
        connection.execute(sa.text("SELECT pg_sleep(30)"))
    assert "statement timeout" in str(caught.value.__cause__)
    other = sa.create_engine(behind_proxy[0])
    with other.begin() as holder:
        holder.execute(sa.text("LOCK TABLE jobs"))
        with pytest.raises(StoreUnavailable) as caught:
            store.outbox.count_queued()
    other.dispose()
    assert "timeout" in str(caught.value.__cause__)


def test_a_transaction_that_does_nothing_for_too_long_is_ended_by_the_server(store):
    def idle():
        with store._database.read() as connection:
            connection.execute(sa.text("SELECT 1"))
            time.sleep(TIMEOUT_S + 0.5)
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(StoreUnavailable) as caught:
        idle()
    assert "idle-in-transaction" in str(caught.value.__cause__)


def test_a_long_transaction_is_ended_neither_by_the_server_nor_by_the_watchdog(store):
    with store._database.write(takes_long=True) as connection:
        connection.execute(sa.text("SELECT pg_sleep(3)"))
    with store._database.snapshot() as connection:
        connection.execute(sa.text("SELECT pg_sleep(3)"))


def test_a_url_may_set_other_time_limits(database_url):
    url = sa.make_url(database_url).update_query_dict({"options": "-c statement_timeout=1234"})
    database = Database(url.render_as_string(hide_password=False))
    with database.read() as connection:
        assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == "1234ms"
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar_one() == "10s"
    database.close()
