"""Each page is the same frame, under the name of the script that it runs."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from bali_platform.api.app import Pages


@pytest.fixture(scope="module")
def client() -> TestClient:
    pages = Pages(packages=[("bali_platform.api", "pages")], html=True)
    return TestClient(Starlette(routes=[Mount("/", pages)]))


@pytest.mark.parametrize("address", ["/", "/index.html", "/job.html?id=1", "/values.html"])
def test_pages_are_one_frame(client: TestClient, address: str) -> None:
    page = client.get(address)
    assert page.status_code == 200
    assert 'src="page.js"' in page.text
    assert page.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", ["/nothing.html", "/.html", "/..%2fserver.html", "/a%00.html"])
def test_other_names_are_no_pages(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404
