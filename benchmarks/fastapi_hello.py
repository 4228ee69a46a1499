"""The peer of the start-up benchmark: the least a FastAPI application can be."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def greet() -> dict[str, str]:
    return {"message": "Hello, world!"}
