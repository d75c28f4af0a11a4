// The host shows no prompt, no interrupt and no permissions in the session of a subagent. These are ours, so that a person
// can really talk to a worker.

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
  const permissions = createMemo(() => (session() ? (api.state.session.permission(session()) ?? []) : []))

  const drafts = new Map()
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
    setOpen(true)
    // The box exists only after this has been drawn.
    setTimeout(() => area?.focus(), 0)
  }
  const send = async () => {
    const text = area.plainText.trim()
    if (!text) return
    const session = to
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
  const permit = async () => {
    const asked = permissions()[0]
    if (!asked) return
    const reply = await dialogs.select(
      `${asked.permission}: ${(asked.patterns ?? []).join(" ")}`,
      ["once", "always", "reject"].map((value) => ({ title: value, value })),
    )
    if (!reply) return
    const answered = await api.client.permission.reply({ requestID: asked.id, reply })
    if (answered.error) told(new Error(JSON.stringify(answered.error)), "the permission was not answered")
  }

  createEffect(on(session, close, { defer: true }))
  api.lifecycle.onDispose(close)
  api.keymap.registerLayer({
    mode: MODE,
    commands: [{ name: "orch.reply.close", run: close }],
    bindings: [{ key: "escape,ctrl+c", cmd: "orch.reply.close" }],
  })

  const hint = () => line({ fg: () => api.theme.current.textMuted }, `  ${keys.talk} talk to this worker   ${keys.interrupt} interrupt it   ${keys.parent} back`)
  const asked = () =>
    line(
      { fg: () => api.theme.current.warning },
      () => `  the worker asks: ${permissions()[0]?.permission} ${(permissions()[0]?.patterns ?? []).join(" ")}${offered() ? `   ${keys.gate} answers` : ""}`,
    )
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
        return box({ flexDirection: "column", flexShrink: 0 }, () => (permissions().length ? asked() : null), () => (open() ? reply() : offered() ? hint() : null))
      },
    },
  })

  return { session, permissions, talk, interrupt, permit }
}
