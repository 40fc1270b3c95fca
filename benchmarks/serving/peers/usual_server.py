"""What most people write: FastAPI, a pydantic model of the body, one torch module for each category."""

import numpy as np
import torch
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.frozen_model import BenchmarkModel, EagerModel

torch.set_num_threads(1)
app = FastAPI()
model = EagerModel(BenchmarkModel.make())


class Rows(BaseModel):
    """What is asked."""

    rows: list[list[float]]


class Codes(BaseModel):
    """What is answered."""

    codes: list[list[int]]


@app.post("/encode")
def encode(body: Rows) -> Codes:
    """Encode rows."""
    return Codes(codes=model(np.array(body.rows, np.float32)).tolist())
