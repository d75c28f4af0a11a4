// The host shows no prompt, no interrupt, and neither permissions nor questions in the session of a subagent. These are
// ours, so that a person can really talk to a worker.

import { createEffect, createMemo, createSignal, on } from "solid-js"

import { box, element, line } from "./elements.js"

const MODE = "orch.reply"

export function child({ api, told, dialogs, keys, offered }) {
  const [open, setOpen] = createSignal(false)
  const session = createMemo(() => {
    const route = api.route.current
    if (route.name !== "session") return undefined
    const shown = api.state.session.get(route.params.sessionID)
    return shown?.parentID ? shown.id : undefined
  })
  const asksFor = (what) => createMemo(() => (session() ? (api.state.session[what](session()) ?? []) : []))
  const [permissions, questions] = [asksFor("permission"), asksFor("question")]

  const drafts = new Map()
  /** What was said to workers, oldest first; behind it comes what is being written. */
  const said = []
  let at = 0
  let unsent = ""
  let area
  let pop
  let to

  const close = () => {
    if (!open()) return
    if (area) drafts.set(to, area.plainText)
    setOpen(false)
    pop?.()
    pop = undefined
  }
  const talk = () => {
    to = session()
    if (!to || open()) return
    pop = api.mode.push(MODE)
    at = said.length
    setOpen(true)
    // The box exists only after this has been drawn.
    setTimeout(() => area?.focus(), 0)
  }
  const send = async () => {
    const text = area.plainText.trim()
    if (!text) return
    const session = to
    at = said.push(text)
    area.clear()
    drafts.delete(session)
    // The worker keeps its agent and its model, whatever is chosen for the person's own sessions.
    const last = api.state.session.messages(session).findLast((message) => message.role === "user")
    const sent = await api.client.session.promptAsync({
      sessionID: session,
      agent: last?.agent,
      model: last?.model,
      parts: [{ type: "text", text }],
    })
    if (sent.error) {
      drafts.set(session, text)
      told(new Error(JSON.stringify(sent.error)), "the message was not sent")
    }
  }
  const interrupt = async () => {
    const stopped = await api.client.session.abort({ sessionID: session() })
    if (stopped.error) told(new Error(JSON.stringify(stopped.error)), "the worker was not interrupted")
  }
  const recall = (by) => () => {
    const wanted = at + by
    if (wanted < 0 || wanted > said.length) return
    if (at === said.length) unsent = area.plainText
    at = wanted
    area.setText(said[at] ?? unsent)
    area.gotoBufferEnd()
  }

  const permit = async ({ id, permission, patterns = [] }) => {
    const reply = await dialogs.permission(`${permission}: ${patterns.join(" ")}`)
    if (!reply) return
    const answered = await api.client.permission.reply({ requestID: id, reply })
    if (answered.error) told(new Error(JSON.stringify(answered.error)), "the permission was not answered")
  }
  const explain = async ({ id, questions }) => {
    const parts = questions.map(({ question, options = [] }) => ({ title: question, choices: options.map(({ label }) => label) }))
    const answers = await dialogs.answers(parts)
    if (!answers) return
    const answered = await api.client.question.reply({ requestID: id, answers })
    if (answered.error) told(new Error(JSON.stringify(answered.error)), "the question was not answered")
  }
  /** What the worker asks in the session on the screen, in one line, and how it is answered. */
  const asked = createMemo(() => {
    const [permission] = permissions()
    if (permission) return { line: [permission.permission, ...(permission.patterns ?? [])].join(" "), answer: () => permit(permission) }
    const [question] = questions()
    if (question) return { line: question.questions[0]?.question ?? "", answer: () => explain(question) }
    return undefined
  })

  createEffect(on(session, close, { defer: true }))
  api.lifecycle.onDispose(close)
  api.keymap.registerLayer({
    mode: MODE,
    commands: [{ name: "orch.reply.close", run: close }],
    bindings: [{ key: "escape,ctrl+c", cmd: "orch.reply.close" }],
  })
  // Between the lines of a longer text these keys move the cursor.
  api.keymap.registerLayer({
    mode: MODE,
    enabled: () => !area?.plainText.includes("\n"),
    commands: [
      { name: "orch.reply.earlier", run: recall(-1) },
      { name: "orch.reply.later", run: recall(1) },
    ],
    bindings: [
      { key: "up", cmd: "orch.reply.earlier" },
      { key: "down", cmd: "orch.reply.later" },
    ],
  })

  const hint = () => line({ fg: () => api.theme.current.textMuted }, `  ${keys.talk} talk to this worker   ${keys.interrupt} interrupt it   ${keys.parent} back`)
  const asks = () =>
    line({ fg: () => api.theme.current.warning }, () => `  the worker asks: ${asked()?.line}${offered() ? `   ${keys.gate} answers` : ""}`)
  const reply = () =>
    box(
      { flexShrink: 0, border: ["left"], borderColor: () => api.theme.current.primary, paddingLeft: 2, marginLeft: 2 },
      element("textarea", {
        ref: (node) => (area = node),
        minHeight: 1,
        maxHeight: 6,
        placeholder: "to this worker (enter sends, ctrl+j new line, esc closes)",
        initialValue: drafts.get(to) ?? "",
        textColor: () => api.theme.current.text,
        onSubmit: send,
        keyBindings: [
          { name: "return", action: "submit" },
          { name: "j", ctrl: true, action: "newline" },
        ],
      }),
    )
  api.slots.register({
    order: 10,
    slots: {
      app_bottom: () => () => {
        if (!session()) return null
        return box({ flexDirection: "column", flexShrink: 0 }, () => (asked() ? asks() : null), () => (open() ? reply() : offered() ? hint() : null))
      },
    },
  })

  return { session, asked, talk, interrupt }
}
