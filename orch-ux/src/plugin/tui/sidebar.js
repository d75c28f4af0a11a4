// The run beside its session, and a badge at the prompt while somebody is waited for. Nothing opens by itself: a key that
// is being typed at that moment would answer it.

import { box, line } from "./elements.js"

const MARKS = { running: "▸", ok: "✓", warning: "!", skipped: "–" }
const BAD = "✗"
const AHEAD = "·"

export function sidebar({ api, state, keys, offered }) {
  const colour = () => api.theme.current

  const step = ({ title, status, outcome, attempts }) => {
    // A step that is tried again has the outcome of its last attempt.
    const now = status === "running" ? status : (outcome ?? status)
    const mark = MARKS[now] ?? (outcome ? BAD : AHEAD)
    const spent = attempts.some((attempt) => attempt.outcome) ? `  ${seconds(sum(attempts, "active_ms"))}  ${dollars(sum(attempts, "cost_usd"))}` : ""
    const word = now === outcome || now === "running" ? "" : `  ${status}`
    return line({ fg: () => colour().textMuted }, `${mark} ${title}${word}${spent}`)
  }
  const summary = (run) => `${seconds(run.active_ms)}  ${run.tokens.input + run.tokens.output} tokens  ${dollars(run.cost_usd)}`
  const run = (each) =>
    box(
      { flexDirection: "column" },
      line({ fg: () => colour().text }, `${each.workflow}: ${each.gate ? "waits for you" : each.status}`),
      ...each.steps.map(step),
      line({ fg: () => colour().textMuted }, summary(each)),
      each.gate ? line({ fg: () => colour().warning }, () => `gate at ${each.gate.step}${offered() ? `  ${keys.gate} decides` : ""}`) : null,
    )
  const badge = () => {
    const waiting = state.gates().length + state.asks().length
    if (!waiting) return ""
    const gate = state.gates().length > 0
    const what = gate ? (offered() ? `gate: ${keys.gate}` : "gate") : offered() ? "orch asks: /orch-inbox" : "orch asks"
    return waiting > 1 ? `${what} (${waiting})` : what
  }

  api.slots.register({
    order: 50,
    slots: {
      sidebar_content: () =>
        box(
          { flexDirection: "column" },
          () => (state.here().length ? line({ fg: () => colour().text }, "orch") : null),
          () => state.here().map(run),
        ),
      session_prompt_right: () => line({ fg: () => colour().warning }, badge),
      home_prompt_right: () => line({ fg: () => colour().warning }, badge),
    },
  })
}

const sum = (attempts, what) => attempts.reduce((total, attempt) => total + attempt[what], 0)

const dollars = (amount) => `$${amount.toFixed(4)}`

function seconds(ms) {
  const total = Math.round(ms / 1000)
  return total < 60 ? `${total} s` : `${Math.floor(total / 60)} min ${total % 60} s`
}
