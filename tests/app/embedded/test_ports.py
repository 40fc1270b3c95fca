import socket

from app.embedded.ports import FIRST_PORT, LAST_PORT, free_port, is_free


def test_a_free_port_can_be_listened_on_and_then_is_taken():
    port = free_port()
    assert FIRST_PORT <= port < LAST_PORT
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


def test_free_ports_are_drawn_at_random_so_that_two_services_rarely_meet():
    assert len({free_port() for _ in range(20)}) > 1
