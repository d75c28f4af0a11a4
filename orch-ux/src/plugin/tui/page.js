// A view of the service on the whole screen, as it is now: it follows what happens. The prompt that was being typed is there
// again afterwards.

import { createEffect, createSignal, on } from "solid-js"

import { box, element, line } from "./elements.js"

const ROUTE = "orch.page"
const MODE = "orch.page"
const LINES = 3

export function page({ api, state, told, markdown }) {
  const [shown, setShown] = createSignal({ title: "", markdown: "" })
  let back
  let pop
  let scroll
  let load

  const leave = () => {
    if (!pop) return
    pop()
    pop = undefined
    if (back && back.name !== ROUTE) api.route.navigate(back.name, back.params)
    else api.route.navigate("home")
  }
  const reload = async () => {
    try {
      setShown({ ...shown(), markdown: (await load()).markdown })
    } catch (error) {
      told(error, shown().title)
    }
  }
  let reloading = Promise.resolve()
  /** One after the other, so that the latest answer is the one that stays. */
  const refresh = () => (reloading = reloading.then(reload))

  createEffect(on(state.runs, () => void (pop && refresh()), { defer: true }))

  api.route.register([
    {
      name: ROUTE,
      render: () =>
        box(
          { flexGrow: 1, flexDirection: "column", padding: 1 },
          line({ fg: () => api.theme.current.primary }, () => shown().title),
          element(
            "scrollbox",
            { ref: (node) => (scroll = node), flexGrow: 1, marginTop: 1, marginBottom: 1 },
            // The bar takes a column of its own, over what is there.
            box({ paddingRight: 1 }, markdown(() => shown().markdown)),
          ),
          line({ fg: () => api.theme.current.textMuted }, "esc back   r refresh   up/down pgup/pgdn scroll"),
        ),
    },
  ])
  const by = (lines) => () => scroll?.scrollBy(lines)
  api.keymap.registerLayer({
    mode: MODE,
    commands: [
      { name: "orch.page.back", run: leave },
      { name: "orch.page.refresh", run: refresh },
      { name: "orch.page.up", run: by(-LINES) },
      { name: "orch.page.down", run: by(LINES) },
      { name: "orch.page.pageup", run: by(-20) },
      { name: "orch.page.pagedown", run: by(20) },
    ],
    bindings: [
      { key: "escape,q", cmd: "orch.page.back" },
      { key: "r", cmd: "orch.page.refresh" },
      { key: "up,k", cmd: "orch.page.up" },
      { key: "down,j", cmd: "orch.page.down" },
      { key: "pageup", cmd: "orch.page.pageup" },
      { key: "pagedown,space", cmd: "orch.page.pagedown" },
    ],
  })
  api.lifecycle.onDispose(() => pop?.())

  return {
    /** Shows what `from` answers with, `{ markdown }`, on the whole screen. */
    show: async (title, from) => {
      load = from
      const before = state.runs()
      const { markdown } = await from()
      setShown({ title, markdown })
      if (!pop) {
        back = api.route.current
        pop = api.mode.push(MODE)
      }
      api.route.navigate(ROUTE)
      // What has happened meanwhile may not be in it.
      if (state.runs() !== before) refresh()
    },
  }
}
