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

  const decide = async (run, decision, more = {}) => {
    await service.post(path(run, "/decisions"), { gate: run.gate.id, decision, by: "opencode", ...more })
    info(`${run.workflow}: ${decision}`)
  }
  /** What a decision needs beside itself. Nothing is decided when the person leaves a question. */
  const details = {
    retry: async () => {
      const note = await dialogs.text("Retry: a note for the worker", { placeholder: "may stay empty" })
      return note === undefined ? undefined : note.trim() ? { note: note.trim() } : {}
    },
    replace: async (run) => {
      const how = await dialogs.select(`Replace the result of ${run.gate.step}`, [
        { title: "with the latest answer in its session", value: "session" },
        { title: "with a text of your own", value: "text" },
      ])
      if (how === "session") return {}
      const text = how && (await dialogs.text("The result", { placeholder: "what the step comes to" }))
      return text ? { text } : undefined
    },
  }
  const make = async (run, decision) => {
    if (!run.gate.allowed.includes(decision)) {
      return info(`the gate of ${run.gate.step} takes ${run.gate.allowed.join(", ")}`)
    }
    const more = details[decision] ? await details[decision](run) : {}
    if (more) await decide(run, decision, more)
  }
  const deciding = (decision) => async () => {
    const run = await gated(`Which run to ${decision}?`)
    if (run) await make(run, decision)
  }

  const permitted = async ({ summary, answers }) => {
    const permission = await dialogs.select(summary, answers.map((value) => ({ title: value, value })))
    return permission && { permission }
  }
  /** One answer to each part of a question: a choice of its own, or words of one's own. */
  const answered = async ({ id, summary }, run) => {
    const asked = run.steps.flatMap((step) => step.asks ?? []).find((each) => each.ask.id === id)?.ask
    const parts = asked?.options?.length ? asked.options : [[]]
    const answers = []
    for (const [at, choices] of parts.entries()) {
      const title = parts.length > 1 ? `${summary} (${at + 1} of ${parts.length})` : summary
      const own = { title: "in your own words", value: null }
      const chosen = choices.length ? await dialogs.select(title, [...choices.map((value) => ({ title: value, value })), own]) : null
      const answer = chosen ?? (chosen === null ? await dialogs.text(title, { placeholder: "your answer" }) : undefined)
      if (!answer) return undefined
      answers.push([answer])
    }
    return { answers }
  }

  const gate = async () => {
    if (child.permissions().length) return child.permit()
    const run = await gated("Which gate?")
    if (!run) return
    const step = run.steps.find((each) => each.id === run.gate.step)
    const { markdown } = await service.get(path(run, `/output?step=${encodeURIComponent(run.gate.step)}`)).catch(() => ({}))
    const answer = excerpt(markdown)
    const choice = await dialogs.select(`${step?.title ?? run.gate.step}: ${run.gate.message}`, [
      ...run.gate.allowed.map((decision) => ({ title: decision, value: decision, category: answer ? `it says: ${answer}` : undefined })),
      { title: "read the whole answer", value: "read", category: "look first" },
      ...(step?.session ? [{ title: "open its session", value: "session", category: "look first" }] : []),
    ])
    if (choice === "read") return show(run, "output", `?step=${encodeURIComponent(run.gate.step)}`)
    if (choice === "session") return api.route.navigate("session", { sessionID: step.session })
    if (choice) await make(run, choice)
  }

  const show = (run, what, query = "") => page.show(`${run.workflow}  ${run.id}  ${what}`, () => service.get(path(run, `/${what}${query}`)))
  const showing = (what) => async () => {
    const run = await any(`Which run's ${what}?`)
    if (run) await show(run, what)
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
        (workflows.workflows ?? workflows).map((each) => ({ title: each.id, description: each.description ?? each.steps.join(" → "), value: each.id })),
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
    trace: showing("trace"),
    results: showing("results"),
    output: showing("output"),
    inbox: async () => {
      const list = await service.get("/v1/inbox")
      const items = list.items ?? list
      if (!items.length) return info("nothing waits for you")
      const item = await dialogs.select(
        "What waits for you",
        items.map((each) => ({ title: `${each.for}: ${each.summary}`, description: `${each.step}  ${each.run}`, value: each })),
      )
      if (!item) return
      const run = state.runs().find((each) => each.id === item.run) ?? (await service.get(`/v1/runs/${item.run}`)).data
      if (item.for === "decision") {
        const decision = await dialogs.select(item.summary, item.answers.map((value) => ({ title: value, value })))
        if (decision) await make(run, decision)
        return
      }
      const reply = await (item.for === "permission" ? permitted(item) : answered(item, run))
      if (!reply) return
      await service.post(path(run, "/answers"), { ask: item.id, by: "opencode", ...reply })
      info("answered")
    },
    talk: () => child.talk(),
    interrupt: () => child.interrupt(),
  }
}

function excerpt(markdown) {
  const text = (markdown ?? "").replace(/\s+/g, " ").trim()
  return text.length > 240 ? `${text.slice(0, 240)}…` : text
}
