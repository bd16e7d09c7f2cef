"""The beginning of a word → the words that it may become: what the shells ask click for.

    eval "$(_LBTRACE_COMPLETE=bash_source lbtrace)"            # in ~/.bashrc
    eval "$(_LBTRACE_COMPLETE=zsh_source lbtrace)"             # in ~/.zshrc
    _LBTRACE_COMPLETE=fish_source lbtrace | source             # in ~/.config/fish/config.fish

Commands, options and choices are click's own matter. Files are left to the shell. A name comes with
what it stands for, which zsh and fish show.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from lbtrace.errors import LbtraceError

_Items = list[CompletionItem]


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """Whatever files there are."""
    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """Whatever directories there are."""
    return [CompletionItem(incomplete, type="dir")]


def places(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """The kinds of places that can be captured: the beginning of each."""
    from lbtrace.live.place import kinds

    return _named(((kind.begins, kind.summary) for kind in kinds().values()), incomplete)


def samples(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """The samples of this installation."""
    from lbtrace.cli.demo import sample_names, samples_folder, title

    try:
        folder = samples_folder()
    except LbtraceError:
        return []
    return _named(((name, title(folder, name)) for name in sample_names(folder)), incomplete)


def samples_and_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Items:
    """What `diff` compares."""
    return samples(ctx, param, incomplete) or files(ctx, param, incomplete)


def recorded_samples(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """The samples that the lab records."""
    from lbtrace.lab.run import SAMPLES

    return _named(((name, "") for name in SAMPLES), incomplete)


def balancers(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """The balancers of the lab."""
    from lbtrace.lab.registry import balancers as known

    return _named(((b.name, b.summary) for b in known().values()), incomplete)


def traffics(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """What the clients of the lab may do."""
    from lbtrace.lab.registry import traffics as known

    return _named(((t.name, t.summary) for t in known().values()), incomplete)


def balancers_and_traffics(ctx: click.Context, param: click.Parameter, incomplete: str) -> _Items:
    """What `lab list` tells of."""
    return [*balancers(ctx, param, incomplete), *traffics(ctx, param, incomplete)]


def profiles(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """The balancers that lbtrace can recognise."""
    from lbtrace.cli.profiles import profile_names

    return _named(profile_names().items(), incomplete)


def findings(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> _Items:
    """What lbtrace can find; behind a dot its variants."""
    from lbtrace.findings import registry

    slug, dot, _ = incomplete.partition(".")
    if not dot:
        return _named(((f.slug, f.title) for f in registry()), incomplete)
    variants = (f.variants.items() for f in registry() if f.slug == slug)
    every = ((f"{slug}.{name}", says) for held in variants for name, says in held)
    return _named(every, incomplete)


def _named(every: Iterable[tuple[str, str]], incomplete: str) -> _Items:
    return [
        CompletionItem(name, help=about or None)
        for name, about in every
        if name.startswith(incomplete)
    ]
