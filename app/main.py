"""Makes the API: `uvicorn app.main:create_app --factory`."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from app.access import KeyChecker
from app.batching import Batcher
from app.dependencies import Services
from app.documentation import install_documentation
from app.documents import DocumentCache
from app.draining import DrainMiddleware
from app.encoder import DamagedModelError, Encoder
from app.encoder_cache import EncoderCache
from app.gate import Admission, Gate, check_may_listen
from app.handlers import install_handlers
from app.job_feed import JobFeed
from app.memory import release_regularly, share_free_memory
from app.middleware import RequestMiddleware
from app.protocol import SHORT_WAY
from app.queue import JobAnnouncer
from app.readiness import Readiness
from app.routes import (
    aliases,
    dataset_rows,
    datasets,
    encoding_jobs,
    encodings,
    inference,
    job_controls,
    job_records,
    jobs,
    keys,
    models,
    service,
)
from app.scratch import scratch_directory
from app.settings import ApiSettings
from app.short_way import ShortWay
from app.telemetry import Telemetry
from worker.store import Store

GC_THRESHOLD = 20_000  # objects; Python's own 700 would have it look every few requests

DESCRIPTION = """
Learns which features belong together, and serves the result: upload a dataset, submit a job, read the
grouping of its model, encode rows. Errors are RFC 9457 problems; lists are paged by their `Link` header.
"""


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """Make an API process; it opens its store when it starts to serve.

    Args:
        settings: Read from the environment when left out.
    """
    settings = settings or ApiSettings()
    telemetry = Telemetry()
    is_traced = bool(settings.otlp_endpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        share_free_memory()
        store = Store.open(settings)
        check_may_listen(settings, store)
        with scratch_directory(store.spool_dir) as scratch_dir:
            services = _open_services(settings, telemetry, store, scratch_dir)
            app.state.services = services
            releasing = asyncio.create_task(release_regularly())
            # What lives as long as the process need not be looked through again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            # A trace begins in the application, so nothing may go past it then.
            yield {} if is_traced else {SHORT_WAY: ShortWay(services)}
            releasing.cancel()
            services.batcher.close()
            services.announcer.close()
            services.readiness.close()
        store.close()

    app = FastAPI(
        title="catvq",
        version=version("catvq"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # The service has numbers and logs of its own.
        telemetry={"tracing": is_traced, "auto_configure": is_traced, "metrics": False, "logs": False},
    )
    app.add_middleware(Gate)
    app.add_middleware(RequestMiddleware, telemetry=telemetry)
    app.add_middleware(DrainMiddleware)  # added last, it comes first
    install_handlers(app)
    install_documentation(app, demands_keys=settings.demands_keys)
    modules = (
        service,
        datasets,
        dataset_rows,
        jobs,
        job_controls,
        job_records,
        models,
        encodings,
        encoding_jobs,
    )
    for module in (*modules, inference, aliases, keys):
        app.include_router(module.router)
    return app


def _open_services(settings: ApiSettings, telemetry: Telemetry, store: Store, scratch_dir: Path) -> Services:
    def load(model_id: str) -> Encoder:
        try:
            return Encoder(store.models.directory(model_id), threads=settings.encoder_threads)
        except DamagedModelError:
            store.models.get(model_id)  # deleted a moment ago, it is unknown rather than damaged
            raise

    return Services(
        settings=settings,
        store=store,
        encoders=EncoderCache(load, max_bytes=settings.encoder_cache_bytes),
        batcher=Batcher(),
        documents=DocumentCache(max_bytes=settings.document_cache_bytes),
        announcer=JobAnnouncer(settings.redis_url, timeout_s=settings.broker_timeout_s),
        telemetry=telemetry,
        feed=JobFeed(store.jobs),
        admission=Admission(settings, KeyChecker(store.keys.ring)),
        readiness=Readiness(store),
        scratch_dir=scratch_dir,
    )
