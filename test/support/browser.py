"""A headless Chromium that opens a page and says what went on, by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tornado.websocket import websocket_connect

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
TIMEOUT = 120.0


@dataclass
class Visit:
    """What a page asked for (beyond itself), complained about, and answered."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    answers: list = field(default_factory=list)


def executable() -> str | None:
    """Return the browser's path, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def visit(
    page: Path,
    width: int,
    height: int,
    questions: list[str],
    profile: Path,
    picture: Path | None = None,
    scheme: str = 'light',
) -> Visit:
    """Open a page in a window of that size and evaluate JavaScript expressions in it.

    ``picture`` is where a PNG of the whole page goes.
    """
    process = subprocess.Popen(
        [
            executable(),
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--hide-scrollbars',
            '--disable-dev-shm-usage',
            '--remote-debugging-port=0',
            '--remote-allow-origins=*',
            '--no-first-run',
            '--disable-background-networking',
            f'--user-data-dir={profile}',
            'about:blank',
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return asyncio.run(
            asyncio.wait_for(
                _visit(profile, page, width, height, questions, picture, scheme), TIMEOUT
            )
        )
    finally:
        process.terminate()
        process.wait(30)


def _address(profile: Path) -> str:
    """Return the websocket of the browser's first tab once it is there."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        told = profile / 'DevToolsActivePort'
        if told.exists() and (lines := told.read_text().split()):
            with urllib.request.urlopen(f'http://127.0.0.1:{lines[0]}/json/list') as answer:
                pages = [t for t in json.load(answer) if t['type'] == 'page']
            if pages:
                return pages[0]['webSocketDebuggerUrl']
        time.sleep(0.1)
    raise AssertionError('the browser did not open a tab')


async def _visit(profile, page, width, height, questions, picture, scheme) -> Visit:
    socket = await websocket_connect(
        await asyncio.to_thread(_address, profile), max_message_size=1 << 28
    )
    numbers, seen, loaded = itertools.count(1), Visit(), False

    def note(event: dict) -> None:
        nonlocal loaded
        method, told = event.get('method'), event.get('params', {})
        if method == 'Page.loadEventFired':
            loaded = True
        elif method == 'Network.requestWillBeSent':
            url = told['request']['url']
            if url != page.as_uri() and not url.startswith('data:'):
                seen.requests.append(url)
        elif method == 'Runtime.exceptionThrown':
            seen.complaints.append(str(told['exceptionDetails'].get('text')))
        elif method == 'Runtime.consoleAPICalled' and told['type'] in ('error', 'warning'):
            seen.complaints.append(str(told['args']))
        elif method == 'Log.entryAdded' and told['entry']['level'] in ('error', 'warning'):
            seen.complaints.append(told['entry']['text'])

    async def ask(method: str, **params) -> dict:
        number = next(numbers)
        await socket.write_message(json.dumps({'id': number, 'method': method, 'params': params}))
        while True:
            event = json.loads(await socket.read_message())
            if event.get('id') == number:
                assert 'error' not in event, event
                return event['result']
            note(event)

    for domain in ('Page', 'Runtime', 'Log', 'Network'):
        await ask(f'{domain}.enable')
    await ask(
        'Emulation.setDeviceMetricsOverride',
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=width < 500,
    )
    await ask(
        'Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}]
    )
    await ask('Page.navigate', url=page.as_uri())
    while not loaded:
        note(json.loads(await socket.read_message()))
    for question in questions:
        answer = await ask('Runtime.evaluate', expression=question, returnByValue=True)
        seen.answers.append(answer['result'].get('value'))
    if picture:
        data = await ask('Page.captureScreenshot', captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(data['data']))
    socket.close()
    return seen
