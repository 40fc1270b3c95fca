"""Creates the FastAPI application and the services that its routes use."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from app.auth.gate import Admission, check_may_listen
from app.auth.keys import KeyChecker
from app.auth.quotas import Quotas
from app.http.connections import ConnectionLimit
from app.http.cross_origin import CrossOrigin
from app.http.error_handlers import install_handlers
from app.http.request_middleware import RequestMiddleware
from app.http.transfer import TransferMiddleware
from app.http.uploads import BodyMemory
from app.inference.batcher import Batcher
from app.inference.document_cache import DocumentCache
from app.inference.encoder import DamagedModelError, Encoder
from app.inference.encoder_cache import EncoderCache
from app.inference.model_lookup import ModelLookup
from app.live.announcer import JobAnnouncer
from app.live.job_feed import JobFeed
from app.openapi import install_documentation, operation_id
from app.process.malloc import release_regularly, share_free_memory
from app.process.metrics import Telemetry
from app.process.readiness import Readiness
from app.process.scratch import scratch_directory
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
    page,
    service,
)
from app.services import Services
from app.settings import ApiSettings
from app.web.page import Page
from worker.store import Store

GC_THRESHOLD = 20_000  # objects; with Python's default of 700 the collector runs every few requests

DESCRIPTION = """
Learns which features belong together, and serves the result: upload a dataset, submit a job, read the
grouping of its model, encode rows. Errors are RFC 9457 problem documents; the `Link` header of a list points
to its next page.
"""


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """Create the application; it opens its store on startup.

    Args:
        settings: By default read from the environment.
    """
    settings = settings or ApiSettings()
    telemetry = Telemetry()
    connections = ConnectionLimit(settings)
    is_traced = bool(settings.otlp_endpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        share_free_memory()
        store = Store.open(settings)
        check_may_listen(settings, store)
        with scratch_directory(store.spool_dir) as scratch_dir:
            services = _open_services(settings, telemetry, connections, store, scratch_dir)
            app.state.services = services
            regular = [asyncio.create_task(each) for each in (release_regularly(), connections.watch())]
            # Objects that live as long as the process need no garbage collection.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            yield
            for task in regular:
                task.cancel()
            services.batcher.close()
            services.announcer.close()
            services.readiness.close()
        store.close()

    app = FastAPI(
        title="catvq",
        version=version("catvq"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,  # served by our own routes, which check keys
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        # The service has its own metrics and logs.
        telemetry={"tracing": is_traced, "auto_configure": is_traced, "metrics": False, "logs": False},
    )
    app.add_middleware(TransferMiddleware, settings=settings)
    if settings.cors_origins:
        app.add_middleware(CrossOrigin, origins=settings.cors_origins)
    app.add_middleware(RequestMiddleware, settings=settings, connections=connections, telemetry=telemetry)
    install_handlers(app)
    install_documentation(app, demands_keys=settings.demands_keys)
    modules = (
        encodings,  # first, since it gets most requests and routers are tried in order
        inference,
        service,
        datasets,
        dataset_rows,
        jobs,
        job_controls,
        job_records,
        models,
        encoding_jobs,
        aliases,
        keys,
        page,
    )
    documentation = page.documentation_router(is_open=settings.open_docs)
    for router in (*(module.router for module in modules), service.health, inference.health, documentation):
        app.include_router(router)
    return app


def _open_services(
    settings: ApiSettings,
    telemetry: Telemetry,
    connections: ConnectionLimit,
    store: Store,
    scratch_dir: Path,
) -> Services:
    def load(model_id: str) -> Encoder:
        try:
            return Encoder(lambda: store.models.directory(model_id), threads=settings.encoder_threads)
        except DamagedModelError:
            store.models.get(model_id)  # raises NotFound if it was deleted meanwhile
            raise

    encoders = EncoderCache(load, store.models.is_known, max_bytes=settings.encoder_cache_bytes)
    return Services(
        settings=settings,
        store=store,
        encoders=encoders,
        models=ModelLookup(store, encoders),
        batcher=Batcher(),
        documents=DocumentCache(max_bytes=settings.document_cache_bytes),
        announcer=JobAnnouncer(settings.redis_url, timeout_s=settings.broker_timeout_s),
        telemetry=telemetry,
        feed=JobFeed(store.jobs),
        admission=Admission(settings, KeyChecker(store.keys.ring)),
        quotas=Quotas(settings),
        connections=connections,
        body_memory=BodyMemory(),
        readiness=Readiness(store),
        page=Page.read(demands_keys=settings.demands_keys),
        scratch_dir=scratch_dir,
    )
