"""Pydantic models of request and response bodies; the OpenAPI document is generated from them."""
