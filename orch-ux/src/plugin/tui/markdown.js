// Markdown as OpenCode shows it, in the colours of its theme. What draws it is the host's own: where a host has it no more,
// the text is there as it was written, and the log says so.

import { createMemo, createSignal, onCleanup } from "solid-js"

import { element, line } from "./elements.js"

/** What a part of a text looks like: the name of its colour in the theme, and how it is set off. */
const PARTS = {
  default: ["markdownText"],
  "markup.heading": ["markdownHeading", { bold: true }],
  "markup.heading.1": ["markdownHeading", { bold: true, underline: true }],
  "markup.strong": ["markdownStrong", { bold: true }],
  "markup.italic": ["markdownEmph", { italic: true }],
  "markup.strikethrough": ["textMuted"],
  "markup.list": ["markdownListItem"],
  "markup.quote": ["markdownBlockQuote", { italic: true }],
  "markup.raw": ["markdownCode"],
  "markup.link": ["markdownLink", { underline: true }],
  "markup.link.label": ["markdownLinkText", { underline: true }],
  "markup.link.url": ["markdownLink", { underline: true }],
  conceal: ["textMuted"],
  comment: ["syntaxComment", { italic: true }],
  keyword: ["syntaxKeyword", { italic: true }],
  function: ["syntaxFunction"],
  variable: ["syntaxVariable"],
  property: ["syntaxVariable"],
  string: ["syntaxString"],
  number: ["syntaxNumber"],
  boolean: ["syntaxNumber"],
  constant: ["syntaxNumber"],
  type: ["syntaxType"],
  operator: ["syntaxOperator"],
  punctuation: ["syntaxPunctuation"],
}

const rules = (theme) =>
  Object.entries(PARTS).map(([part, [colour, more]]) => ({ scope: [part], style: { foreground: theme[colour], ...more } }))

/** What makes an element of a text that a function gives, and follows it. */
export function markdown(api, failed) {
  const [library, setLibrary] = createSignal()
  // Named at the top of this file, a module that is missing would take the whole plugin with it.
  import("@opentui/core").then(setLibrary, failed)

  const style = createMemo(() => {
    const made = library()?.SyntaxStyle.fromTheme(rules(api.theme.current))
    // What is on the screen is drawn with it once more.
    if (made) onCleanup(() => api.renderer.idle().then(() => made.destroy(), failed))
    return made
  })
  const formatted = (text) =>
    element("markdown", {
      content: text,
      syntaxStyle: style,
      fg: () => api.theme.current.markdownText,
      streaming: true,
      internalBlockMode: "top-level",
      tableOptions: { style: "grid" },
    })
  const written = (text) => line({ fg: () => api.theme.current.text }, text)

  return (text) => () => (style() ? formatted(text) : written(text))
}
