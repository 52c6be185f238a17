"""Pictures given to the page as a person gives them: dropped or pasted."""

from __future__ import annotations

from typing import Any

_SCRIPT = """async ([event, name]) => {
  const blob = await (await fetch('examples/' + name + '.png')).blob();
  const data = new DataTransfer(), options = {bubbles: true, cancelable: true};
  data.items.add(new File([blob], 'a.png', {type: 'image/png'}));
  return !document.dispatchEvent(event === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: data, ...options})
    : new DragEvent('drop', {dataTransfer: data, ...options}));
}"""


def give(page: Any, event: str, example: str) -> bool:
    """Drop or paste (`event`) one of the page's examples as a file; whether the page took it, and
    the browser doesn't open it in the page's place."""
    return bool(page.evaluate(_SCRIPT, [event, example]))
