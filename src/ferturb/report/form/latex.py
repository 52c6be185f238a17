r"""A table as LaTeX: one float, or, where it is longer than a page, one that goes over pages.

A float needs `\usepackage{booktabs,graphicx}` and is never wider than its column. What goes over
pages is a `longtable`, which LaTeX sets in one column alone (`\onecolumn`); it needs
`\usepackage{array,booktabs,longtable}` and, where it is wide and lies on its side, `pdflscape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PAGE = 45
"""Lines of a page, without what stands above and below a table: what is longer goes over pages."""
_ACROSS = 80
"""Letters across a page on end, with nothing between the columns."""
_BROKEN = 16
"""Letters of words in a cell of a table over pages, before they are broken."""
_FITTED = r"\resizebox{\ifdim\width>\columnwidth\columnwidth\else\width\fi}{!}{"
"""Before a LaTeX box: scaled down to the column, if it is wider."""


@dataclass(frozen=True)
class LatexTable:
    """A table whose texts are LaTeX already.

    - ``heads``: the lines of its heading; ``rows``: one line each, ended by two backslashes.
    - ``widths``: letters of the widest line of each column; ``numbers``: which hold numbers.
    - ``lines``: how high it is, in lines of text.
    """

    key: str
    title: str
    note: str
    heads: Sequence[str]
    rows: Sequence[str]
    widths: Sequence[int]
    numbers: Sequence[bool]
    lines: float

    def text(self) -> str:
        """The environment, ended by a line break."""
        return "\n".join([*(self._float() if self.lines <= PAGE else self._over_pages()), ""])

    @property
    def _head(self) -> list[str]:
        return [r"\toprule", *self.heads, r"\midrule"]

    def _float(self) -> list[str]:
        form = "".join("r" if number else "l" for number in self.numbers)
        return [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{self.title}}}",
            rf"\label{{tab:{self.key}}}",
            r"\footnotesize\setlength{\tabcolsep}{3pt}",
            _FITTED + rf"\begin{{tabular}}{{@{{}}{form}@{{}}}}",
            *self._head,
            *self.rows,
            r"\bottomrule",
            r"\end{tabular}}",
            *([r"\par\smallskip", rf"\raggedright {self.note}"] if self.note else []),
            r"\end{table}",
        ]

    def _over_pages(self) -> list[str]:
        pairs = list(zip(self.widths, self.numbers, strict=True))
        broken = rf">{{\raggedright\arraybackslash}}b{{{_BROKEN // 2}em}}"
        forms = ["r" if number else broken if wide > _BROKEN else "l" for wide, number in pairs]
        across = sum(wide if number else min(wide, _BROKEN) for wide, number in pairs)
        apart = "[2pt]" if self.lines > len(self.rows) else ""  # rows of two lines
        lines = [
            r"\begingroup\scriptsize\setlength{\tabcolsep}{2pt}\setlength{\LTcapwidth}{\linewidth}",
            rf"\begin{{longtable}}{{@{{}}{''.join(forms)}@{{}}}}",
            rf"\caption{{{self.title}}}\label{{tab:{self.key}}}\\",
            *self._head,
            r"\endfirsthead",
            rf"\caption[]{{{self.title}, continued}}\\",
            *self._head,
            r"\endhead",
            r"\midrule",
            rf"\multicolumn{{{len(pairs)}}}{{@{{}}r@{{}}}}{{continued on the next page}}\\",
            r"\endfoot",
            r"\bottomrule",
            r"\endlastfoot",
            *(row + apart for row in self.rows),
            r"\end{longtable}",
            *([rf"\noindent {self.note}\par"] if self.note else []),
            r"\endgroup",
        ]
        sideways = across > _ACROSS
        return [r"\begin{landscape}", *lines, r"\end{landscape}"] if sideways else lines


def latex(text: str) -> str:
    r"""Text with everything escaped that LaTeX would act on or that its fonts lack.

    >>> print(latex("95 % of resnet_18 & co: ±1 − {x}"))
    95 \% of resnet\_18 \& co: $\pm$1 $-$ \{x\}
    """
    return "".join(_LATEX.get(character, character) for character in text)


_LATEX: dict[str, str] = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "λ": r"$\lambda$",
    "α": r"$\alpha$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "“": "``",
    "”": "''",
    "’": "'",
    "\u00a0": "~",
}
