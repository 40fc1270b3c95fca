"""Keys are found by their secret, never stored with it, and change without a restart."""

import hashlib
import os
import re
import subprocess
import sys

import pytest
import sqlalchemy as sa

from worker.store import NotFound, Scope


def test_a_key_is_found_by_its_secret_and_by_nothing_else(store):
    new, other = store.keys.create(Scope.WRITE, "training"), store.keys.create(Scope.READ)
    ring = store.keys.ring()
    assert ring.find(new.secret) == new.record
    assert ring.find(other.secret) == other.record
    mixed = "_".join([*new.secret.split("_")[:2], *other.secret.split("_")[2:]])
    wrong = ["", "catvq_", new.record.id, new.secret[:-1], new.secret + "A", new.secret.upper(), mixed]
    assert [ring.find(secret) for secret in wrong] == [None] * len(wrong)


def test_a_secret_has_the_randomness_that_its_fast_digest_relies_on(store):
    secrets = {store.keys.create(Scope.READ).secret for _ in range(20)}
    assert len({secret.split("_", 2)[2] for secret in secrets}) == 20
    assert all(re.fullmatch(r"catvq_[0-9a-f]{24}_[\w-]{43}", secret) for secret in secrets)


def test_the_database_never_holds_a_secret(store, settings):
    new = store.keys.create(Scope.ADMIN)
    engine = sa.create_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sa.text("SELECT * FROM api_keys"))]
    engine.dispose()
    random_part = new.secret.rpartition("_")[2]
    assert random_part not in str(rows)
    assert hashlib.sha256(new.secret.encode()).hexdigest() in str(rows)
    assert random_part not in f"{new!r} {store.keys.ring()!r}"


def test_a_rotated_key_keeps_its_id_and_scope_and_loses_its_old_secret(store):
    old = store.keys.create(Scope.WRITE, "ci")
    new = store.keys.rotate(old.record.id)
    assert (new.record.id, new.record.scope, new.record.name) == (old.record.id, Scope.WRITE, "ci")
    assert old.record.rotated_at is None
    assert new.record.rotated_at >= new.record.created_at
    ring = store.keys.ring()
    assert ring.find(old.secret) is None
    assert ring.find(new.secret) == new.record


def test_a_revoked_key_is_gone(store):
    new = store.keys.create(Scope.WRITE)
    store.keys.revoke(new.record.id)
    assert store.keys.ring().find(new.secret) is None
    for change in (store.keys.revoke, store.keys.rotate):
        with pytest.raises(NotFound, match="no key"):
            change(new.record.id)


def test_keys_are_listed_in_pages_newest_first(store):
    made = [store.keys.create(Scope.READ, str(number)).record for number in range(3)]
    first = store.keys.list(limit=2)
    second = store.keys.list(limit=2, cursor=first.next_cursor)
    assert [*first.items, *second.items] == made[::-1]
    assert second.next_cursor is None


def test_each_scope_includes_the_ones_before():
    included = {scope: [other for other in Scope if scope.includes(other)] for scope in Scope}
    assert included == {
        Scope.READ: [Scope.READ],
        Scope.WRITE: [Scope.READ, Scope.WRITE],
        Scope.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
    }


def command(settings, *words):
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(settings.data_dir),
        "CATVQ_DATABASE_URL": settings.sqlalchemy_url,
    }
    return subprocess.run(
        [sys.executable, "-m", "worker.store", "keys", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_keys_are_managed_on_the_command_line(store, settings):
    made = command(settings, "create", "--scope", "write", "--name", "ci")
    record = store.keys.ring().find(made.stdout.strip())
    assert (made.returncode, record.scope, record.name) == (0, Scope.WRITE, "ci")
    listed = command(settings, "list").stdout
    assert listed.startswith(f"{record.id}  write  created 20")
    assert listed.endswith("  ci\n")
    assert made.stdout.strip().rpartition("_")[2] not in listed
    rotated = command(settings, "rotate", record.id).stdout.strip()
    assert store.keys.ring().find(rotated).id == record.id
    assert command(settings, "revoke", record.id).returncode == 0
    assert store.keys.ring().find(rotated) is None


@pytest.mark.parametrize("name", ["ci\u202e", "ci\n", "ci\udcff"])
def test_a_key_is_not_given_an_invisible_name(store, settings, name):
    ended = command(settings, "create", "--scope", "write", "--name", name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "argument --name" in ended.stderr
    assert store.keys.list().items == []


def test_an_unknown_key_is_reported_in_one_line(store, settings):
    ended = command(settings, "revoke", "key_0")
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "There is no key 'key_0'.\n")
