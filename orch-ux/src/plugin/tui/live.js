// What the service knows, as signals: the runs of the project that matter now. Events say that something has changed;
// what it is now is asked. What the service wants done here is handed to `action`.

import { createMemo, createSignal } from "solid-js"

const SETTLE = 100
/** How many of the newest runs are known beside those that are open. */
const RUNS = 20

export function live(api, service, { action, failed }) {
  const [runs, setRuns] = createSignal([])
  const [status, setStatus] = createSignal("starting")

  const ask = async () => {
    try {
      const list = await service.get(`/v1/runs?open=true&limit=${RUNS}`, api.lifecycle.signal)
      setRuns(list.runs ?? [])
    } catch (error) {
      if (!api.lifecycle.signal.aborted) failed(error)
    }
  }
  let asking = Promise.resolve()
  /** Asks now; afterwards the runs are as they were at this moment, or later. */
  const refresh = () => (asking = asking.then(ask))

  let due
  const changed = () => {
    due ??= setTimeout(() => {
      due = undefined
      refresh()
    }, SETTLE)
  }

  service.follow(api.lifecycle.signal, {
    event: (event) => {
      if (!event.live) changed()
    },
    missed: changed,
    action,
    status: (now, error) => {
      setStatus(now)
      if (error) failed(error)
    },
  })
  api.lifecycle.onDispose(() => clearTimeout(due))

  const open = createMemo(() => runs().filter((run) => !run.finished_at))
  const session = createMemo(() => {
    const route = api.route.current
    return route.name === "session" ? route.params.sessionID : undefined
  })
  /** The open runs that belong to the session on the screen, or all where none does. */
  const here = createMemo(() => {
    const mine = open().filter(
      (run) => run.parent_session === session() || run.steps.some((step) => step.session === session()),
    )
    return mine.length ? mine : open()
  })
  const gates = createMemo(() => open().filter((run) => run.gate))
  const asks = createMemo(() =>
    open().flatMap((run) =>
      run.steps.flatMap((step) =>
        (step.asks ?? []).filter((view) => !view.answered_by).map((view) => ({ run, step, ask: view.ask })),
      ),
    ),
  )
  return { runs, open, here, gates, asks, session, status, refresh }
}
