from app.process.metrics import Telemetry
from worker.store import Statistics


def test_what_clients_make_up_becomes_no_label():
    telemetry = Telemetry()
    for method, route in (("BREW", "/v1/jobs"), ("GET", None), ("GET", "/v1/jobs")):
        telemetry.count_request(method, route, 405, 0.1)
    statistics = Statistics(jobs={}, oldest_s={}, steps_per_s=0.0, lease_losses=0)
    text = telemetry.render(statistics, cached_bytes=0).decode()
    assert "BREW" not in text
    assert 'catvq_http_requests_total{method="GET",route="/v1/jobs",status="405"} 1.0' in text
    assert 'catvq_http_requests_total{method="(none)",route="(none)",status="405"} 2.0' in text
