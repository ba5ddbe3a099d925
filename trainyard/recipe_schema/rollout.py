"""How a new version comes to answer all requests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainyard.recipe_schema.base import Section


class Rollout(Section):
    """A pushed version is on trial first: it answers a share of the requests."""

    share: float = Field(
        0.1, gt=0, lt=1, description="Of the requests that name no version, on trial."
    )
    fewest_requests: int = Field(
        500, ge=1, description="That a version must have answered before it is promoted."
    )
    error_rate: float = Field(
        0.01, ge=0, le=1, description="Errors a request more than the champion's, at most."
    )
    latency_ratio: float = Field(
        1.5, gt=0, description="95th percentile of answers, to the champion's, at most."
    )
    prediction_drift: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Distance of its predictions from the champion's, at most: Kolmogorov-Smirnov "
        "of numbers, the largest difference of shares of classes.",
    )
    end: Literal["promote", "ask"] = Field(
        "promote",
        description="What a trial that kept all rules ends with; one that broke one is rolled "
        "back either way.",
    )
