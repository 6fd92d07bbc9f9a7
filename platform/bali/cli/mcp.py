"""``bali mcp``: the graph as tools for agents."""

from __future__ import annotations

from typing import Annotated

import typer

from bali.cli.common import DeviceOption, reporter
from bali.cli.model import MakerOption


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp, for several agents.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="With --http: address; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http.")] = 8001,
    device: DeviceOption = "auto",
    model: MakerOption = None,
) -> None:
    """Serve the graph to agents over the Model Context Protocol, on standard input and output.

    `bali serve` offers the same at /mcp, beside the REST API.
    """
    from bali.agents.desk import Desk
    from bali.agents.http import PATH, serve_http
    from bali.agents.live import LiveGraph
    from bali.agents.server import build_server
    from bali.changes import Changes
    from bali.serving.model import ServedModel
    from bali_platform.api.audit import write_to
    from bali_platform.base.settings import load_settings
    from bali_platform.services.home import Home
    from bali_platform.terminology.saved import SavedSets

    live = LiveGraph()
    live()  # whoever starts this without a graph is told now
    settings = load_settings()
    write_to(Home(settings.home).log("audit"))
    served, saved = ServedModel(live, device, model), SavedSets(settings.home)
    server = build_server(Desk(live, served, Changes(settings), saved))
    if http:
        reporter().say(f"agents are answered at http://{host}:{port}{PATH} (Ctrl-C stops it)")
        serve_http(server, settings, host, port)
    else:
        server.run()
