// Questions to the person, as promises: an answer, or nothing when the dialog was left.

import { box } from "./elements.js"

/** What a row holds; OpenCode cuts off the rest without a sign. */
const ROW = 50

export function dialogs(api, markdown) {
  const { dialog } = api.ui

  const ask = (render) =>
    new Promise((resolve) => {
      let answered = false
      const answer = (value) => {
        answered = true
        dialog.clear()
        resolve(value)
      }
      // Called for every way out, also for one dialog that takes the place of another.
      dialog.replace(
        () => render(answer),
        () => answered || resolve(undefined),
      )
    })

  /** `above` is Markdown that the choice is about. */
  const select = (title, options, above) =>
    ask((answer) => {
      const choice = api.ui.DialogSelect({ title, options: options.map(fitted), onSelect: (option) => answer(option.value) })
      if (!above) return choice
      return box({ flexDirection: "column" }, box({ paddingLeft: 4, paddingRight: 4, paddingBottom: 1 }, markdown(() => above)), choice)
    })
  const text = (title, { placeholder, value } = {}) =>
    ask((answer) => api.ui.DialogPrompt({ title, placeholder, value, onConfirm: answer }))

  return {
    select,
    text,
    permission: (title) => select(title, ["once", "always", "reject"].map((value) => ({ title: value, value }))),
    /** One answer to each part of a question: a choice of its own, or words of one's own. */
    answers: async (parts) => {
      const answers = []
      for (const [at, { title, choices }] of parts.entries()) {
        const shown = parts.length > 1 ? `${title} (${at + 1} of ${parts.length})` : title
        const own = { title: "in your own words", value: null }
        const chosen = choices.length ? await select(shown, [...choices.map((value) => ({ title: value, value })), own]) : null
        const answer = chosen ?? (chosen === null ? await text(shown, { placeholder: "your answer" }) : undefined)
        if (!answer) return undefined
        answers.push([answer])
      }
      return answers
    },
    confirm: (title, message) =>
      ask((answer) =>
        api.ui.DialogConfirm({ title, message, onConfirm: () => answer(true), onCancel: () => answer(false) }),
      ),
  }
}

const short = (text, room) => (text.length > room ? `${text.slice(0, room - 1)}…` : text)

function fitted({ title, description, ...option }) {
  const shown = short(title, ROW)
  return { ...option, title: shown, description: description && short(description, Math.max(ROW - shown.length - 1, 1)) }
}
