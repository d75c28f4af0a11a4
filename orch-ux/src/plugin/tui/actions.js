// What the commands do. Each acts at once, without a turn of the model; what needs a value asks for it.

export function actions({ api, service, state, dialogs, page, child }) {
  const info = (message) => api.ui.toast({ variant: "info", title: "orch", message })
  const path = (run, what = "") => `/v1/runs/${encodeURIComponent(run.id)}${what}`

  /** The run that is meant: the only one, or the one that is chosen. */
  const choose = async (title, runs, none) => {
    if (!runs.length) return info(none)
    if (runs.length === 1) return runs[0]
    return dialogs.select(
      title,
      runs.map((run) => ({ title: `${run.workflow}: ${run.task}`, description: `${run.status}  ${run.id}`, value: run })),
    )
  }
  const open = (title) => choose(title, state.here(), "no run is open; /orch-run starts one")
  const any = (title) => choose(title, state.here().length ? state.here() : state.runs(), "no runs yet; /orch-run starts one")
  const gated = (title) => {
    const here = state.here().filter((run) => run.gate)
    return choose(title, here.length ? here : state.gates(), "no gate is open")
  }

  /** What a decision needs beside itself. Nothing is decided when the person leaves a question. */
  const details = {
    continue: async ({ budget }) => {
      if (!budget) return {}
      const { field, unit, scale, round } = BOUNDS[budget.bound]
      const used = Math.round((budget.used / scale) * 10_000) / 10_000
      const typed = await dialogs.text(`Continue: the new bound in ${unit}`, { placeholder: `more than ${used}, which is used` })
      if (!typed?.trim()) return undefined
      const bound = Number(typed) * scale
      return bound > 0 ? { budget: { [field]: round(bound) } } : info(`no bound: ${typed}`)
    },
    retry: async () => {
      const note = await dialogs.text("Retry: a note for the worker", { placeholder: "may stay empty" })
      return note === undefined ? undefined : note.trim() ? { note: note.trim() } : {}
    },
    replace: async ({ step }) => {
      const how = await dialogs.select(`Replace the result of ${step}`, [
        { title: "with the latest answer in its session", value: "session" },
        { title: "with a text of your own", value: "text" },
      ])
      if (how === "session") return {}
      const text = how && (await dialogs.text("The result", { placeholder: "what the step comes to" }))
      return text ? { text } : undefined
    },
  }
  /** Decides at this gate and at no other, whatever has happened since it was shown. */
  const decide = async (run, gate, decision) => {
    if (!gate.allowed.includes(decision)) return info(`the gate of ${gate.step} takes ${gate.allowed.join(", ")}`)
    const more = details[decision] ? await details[decision](gate) : {}
    if (!more) return
    await service.post(path(run, "/decisions"), { gate: gate.id, decision, by: "opencode", expect_host: true, ...more })
    info(`${run.workflow}: ${decision}`)
  }
  const deciding = (decision) => async () => {
    const run = await gated(`Which run to ${decision}?`)
    if (run) await decide(run, run.gate, decision)
  }

  /** An item of the inbox, which may have been answered since. */
  const decideOn = async ({ id, summary }, run) => {
    const gate = [run.gate, ...run.gates].find((each) => each?.id === id)
    if (!gate) return info("already answered")
    const decision = await dialogs.select(summary, gate.allowed.map((value) => ({ title: value, value })))
    if (decision) await decide(run, gate, decision)
  }
  const reply = async ({ id, summary, ...item }, run) => {
    const open = run.steps.flatMap((step) => step.asks ?? []).find(({ ask, answered_by }) => ask.id === id && !answered_by)
    if (!open) return info("already answered")
    const said =
      item.for === "permission"
        ? { permission: await dialogs.permission(summary) }
        : { answers: await dialogs.answers(parts(open.ask).map((choices) => ({ title: summary, choices }))) }
    if (!said.permission && !said.answers) return
    await service.post(path(run, "/answers"), { ask: id, by: "opencode", ...said })
    info("answered")
  }

  const gate = async () => {
    const asked = child.asked()
    if (asked) return asked.answer()
    const run = await gated("Which gate?")
    if (!run) return
    const { gate } = run
    const step = run.steps.find((each) => each.id === gate.step)
    const { markdown } = await service.get(path(run, `/output?step=${encodeURIComponent(gate.step)}`)).catch(() => ({}))
    const choice = await dialogs.select(`${step?.title ?? gate.step}: ${gate.message}`, [
      ...gate.allowed.map((decision) => ({ title: decision, value: decision, category: "decide" })),
      { title: "read the whole answer", value: "read", category: "look first" },
      ...(step?.session ? [{ title: "open its session", value: "session", category: "look first" }] : []),
    ], excerpt(markdown))
    if (choice === "read") return show(run, "output", `?step=${encodeURIComponent(gate.step)}`)
    if (choice === "session") return api.route.navigate("session", { sessionID: step.session })
    if (choice) await decide(run, gate, choice)
  }

  const show = (run, what, query = "") => page.show(`${run.workflow}  ${run.id}  ${what}`, () => service.get(path(run, `/${what}${query}`)))
  const showing = (what, query) => async () => {
    const run = await any(`Which run's ${what}?`)
    if (run) await show(run, what, query)
  }
  /** In the session of a worker that of its step, else that of a run; with what the sessions say. */
  const trace = async () => {
    const session = child.session()
    const of = (run) => run.steps.find((step) => session && step.session === session)
    const run = state.runs().find(of)
    if (run) await show(run, "trace", `?sessions=true&step=${encodeURIComponent(of(run).id)}`)
    else await showing("trace", "?sessions=true")()
  }

  const workers = async (title) => {
    const { data } = await service.get("/v1/workers")
    const there = data.workers.filter((worker) => worker.session)
    if (!there.length) return info("no worker has a session yet")
    return dialogs.select(
      title,
      there.map((worker) => ({
        title: `${worker.worker}  ${worker.step}`,
        description: `${worker.state}  ${worker.kind}  ${worker.run}`,
        value: worker.session,
      })),
    )
  }

  return {
    run: async () => {
      const workflows = await service.get("/v1/workflows")
      const workflow = await dialogs.select(
        "Which workflow?",
        workflows.map((each) => ({ title: each.id, description: each.description ?? each.steps.join(" → "), value: each.id })),
      )
      const task = workflow && (await dialogs.text(`${workflow}: what is to be done?`, { placeholder: "the task" }))
      if (!task?.trim()) return
      // A child has no children of its own here: its parent is the one that people come back to.
      const parent = api.state.session.get(state.session() ?? "")?.parentID ?? state.session()
      const run = await service.post("/v1/runs", { workflow, task: task.trim(), parent_session: parent ?? null, expect_host: true })
      info(`${run.workflow} runs: ${run.id}`)
    },
    gate,
    continue: async () => {
      const stopped = state.here().filter((run) => run.interrupted)
      if (!state.gates().length && stopped.length) {
        const run = await choose("Which run to take up?", stopped, "")
        if (run) await service.post(path(run, "/continue"))
        return
      }
      await deciding("continue")()
    },
    retry: deciding("retry"),
    skip: deciding("skip"),
    abort: async () => {
      const run = await open("Which run to end?")
      if (run && (await dialogs.confirm(`End ${run.workflow}?`, run.task))) {
        await service.post(path(run, "/abort?by=opencode"))
        info(`${run.workflow}: ends`)
      }
    },
    pause: async () => {
      const run = await open("Which run to pause?")
      if (!run) return
      await service.post(path(run, "/pause?by=opencode"))
      info(`${run.workflow}: pauses after the step at work`)
    },
    dashboard: () => page.show("orch: dashboard", () => service.get("/v1/dashboard")),
    workers: () => page.show("orch: workers", () => service.get("/v1/workers")),
    open: async () => {
      const session = await workers("Which worker's session?")
      if (session) api.route.navigate("session", { sessionID: session })
    },
    parent: () => {
      const parent = api.state.session.get(state.session() ?? "")?.parentID
      if (parent) api.route.navigate("session", { sessionID: parent })
      else info("this session has no parent")
    },
    trace,
    results: showing("results"),
    output: showing("output"),
    inbox: async () => {
      const items = await service.get("/v1/inbox")
      if (!items.length) return info("nothing waits for you")
      const item = await dialogs.select(
        "What waits for you",
        items.map((each) => ({ title: `${each.for}: ${each.summary}`, description: `${each.step}  ${each.run}`, value: each })),
      )
      if (!item) return
      // Somebody else may have answered it while the person was choosing.
      const { data: run } = await service.get(path({ id: item.run }))
      await (item.for === "decision" ? decideOn(item, run) : reply(item, run))
    },
    talk: () => child.talk(),
    interrupt: () => child.interrupt(),
  }
}

/** What is asked for at the gate of a spent budget; what is typed is `scale` of what is sent, which is whole or not. */
const BOUNDS = {
  tokens: { field: "maxTokens", unit: "tokens", scale: 1, round: Math.round },
  "cost-usd": { field: "maxCostUsd", unit: "US dollars", scale: 1, round: (dollars) => dollars },
  "active-ms": { field: "maxActiveMs", unit: "minutes at work", scale: 60_000, round: Math.round },
}

/** The choices of each part of a question; one without any is answered in words. */
const parts = ({ options }) => (options?.length ? options : [[]])

/** How much of an answer stands above the decisions of its gate. */
const EXCERPT = { lines: 6, characters: 240 }

/** The first lines of an answer, and a sign where it goes on. */
function excerpt(markdown) {
  const text = (markdown ?? "").trim()
  const begin = text.slice(0, EXCERPT.characters).split("\n").slice(0, EXCERPT.lines).join("\n").trimEnd()
  return begin.length < text.length ? `${begin} …` : begin
}
