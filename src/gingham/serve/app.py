"""The routes of the service."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gingham.export import Prediction, Predictor
from gingham.serve.bodies import Options, images_of, options_of
from gingham.serve.kserve import kserve_routes
from gingham.serve.openapi import ABOUT_PREDICT, DocumentedApp, Endpoint
from gingham.serve.page_files import PAGE
from gingham.serve.refusal import Refusal, refusal_of_image
from gingham.serve.schemas import Health, ModelDescription, Predictions, errors
from gingham.serve.service import Service
from gingham.serve.workers import Job

__all__ = ["build_app"]


def build_app(service: Service) -> FastAPI:
    """Return the application, without its guard.

    Parameters
    ----------
    service : Service
    """
    app = DocumentedApp()
    app.add_exception_handler(HTTPException, _as_refusal)
    app.add_exception_handler(Refusal, _as_refusal)
    app.add_exception_handler(Exception, _as_bug)
    app.answer_directly(
        "/predict",
        _predict(service),
        response_model=Predictions,
        responses=errors(408, 413, 415, 422),
        openapi_extra=ABOUT_PREDICT,
        summary="Predict the class of one or more images",
    )
    app.include_router(_routes(service))
    app.include_router(kserve_routes(service))
    return app


def _routes(service: Service) -> APIRouter:
    routes = APIRouter()

    @routes.get("/model", response_model=ModelDescription, summary="All that the model says of itself")
    async def model() -> dict[str, Any]:
        predictor = service.model.current
        return {
            "name": service.model.name,
            "id": predictor.digest,
            "precision": predictor.precision,
            "info": predictor.info.model_dump(mode="json"),
            "limits": {
                "max_body": service.bodies.largest,
                "max_images": min(service.max_images, service.line.capacity),
                "max_pixels": service.max_pixels,
            },
        }

    @routes.get("/health/live", response_model=Health, summary="Whether the process lives")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @routes.get("/health/ready", response_model=Health, summary="Whether it takes requests")
    async def ready() -> dict[str, str]:
        if not service.ready:
            raise Refusal(503, "stopping", "The service is stopping.", {"Retry-After": "5"})
        return {"status": "ready"}

    @routes.get("/metrics", summary="Counters, for Prometheus", response_class=Response,
                responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4")

    for path, (content, media_type) in PAGE.items():
        routes.add_api_route(path, _sends(content, media_type), include_in_schema=False)
    return routes


def _predict(service: Service) -> Endpoint:
    async def predict(request: Request) -> Response:
        began = time.perf_counter()
        in_query = options_of(request.query_params) if request.scope["query_string"] else None
        async with service.bodies.read(request) as body:
            images = await images_of(request, body, service.max_images)
            predictor = service.model.current
            jobs = await service.jobs(request, predictor, images.files)
        options = images.options
        if in_query is not None:  # it goes before what is in the body
            options = options.model_copy(update=in_query.model_dump(exclude_unset=True))
        return _answer(predictor, images.names, options, jobs, began)

    return predict


def _answer(
    predictor: Predictor, names: Sequence[str | None], options: Options, jobs: Sequence[Job], began: float
) -> Response:
    failed = [job.error for job in jobs if job.error]
    if len(failed) == len(jobs):
        raise refusal_of_image(failed[0])
    predictions = []
    for name, job in zip(names, jobs, strict=True):
        if job.outputs is None:
            prediction = Prediction("", error=str(job.error))
        else:
            (prediction,) = predictor.predictions([""], job.outputs, features=options.return_features)
        predictions.append(prediction.to_json(options.top_k) | {"path": name})
    content = {
        "model": {"id": predictor.digest, "run_id": predictor.info.run_id},
        "predictions": predictions,
        "seconds": {
            "total": round(time.perf_counter() - began, 6),
            "queue": round(max(job.queued for job in jobs), 6),
            "decode": round(max(job.decoded for job in jobs), 6),
            "inference": round(max(job.inferred for job in jobs), 6),
        },
    }
    return Response(json.dumps(content), media_type="application/json")


def _sends(content: bytes, media_type: str) -> Any:
    async def send() -> Response:
        return Response(content, media_type=media_type)

    return send


async def _as_bug(_: Request, __: Exception) -> Response:
    """Answer as every error is; the guard, which sees the exception too, writes it down."""
    refusal = Refusal(500, "bug", "A bug in Gingham; its log says more, under the X-Request-Id of this answer.")
    return Response(refusal.body(), refusal.status, media_type="application/json")


async def _as_refusal(_: Request, error: Exception) -> Response:
    if isinstance(error, Refusal):
        refusal = error
    else:
        assert isinstance(error, HTTPException)
        words = {
            404: "There is nothing at this address. `GET /openapi.json` lists what there is.",
            405: f"This address knows only {(error.headers or {}).get('Allow')}.",
        }
        message = words.get(error.status_code, f"{error.detail}.")
        reason = str(error.detail).lower().replace(" ", "_")
        refusal = Refusal(error.status_code, reason, message, error.headers)
    return Response(refusal.body(), refusal.status, refusal.headers, "application/json")
