"""The command `python -m app`: one API process where the settings say."""

import uvicorn

from app.main import create_app
from app.protocol import Protocol
from app.settings import ApiSettings

if __name__ == "__main__":
    settings = ApiSettings()
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, http=Protocol, ws="none")
