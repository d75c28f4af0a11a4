// The half that runs inside the terminal interface: commands, keys, dialogs, the sidebar, and a way to talk to workers.

import { createSignal } from "solid-js"

import { log } from "./log.js"
import { connect } from "./service.js"
import { actions } from "./tui/actions.js"
import { calls } from "./tui/calls.js"
import { child } from "./tui/child.js"
import { commands, keysOf } from "./tui/commands.js"
import { dialogs } from "./tui/dialogs.js"
import { live } from "./tui/live.js"
import { markdown } from "./tui/markdown.js"
import { page } from "./tui/page.js"
import { sidebar } from "./tui/sidebar.js"

const GUARD = "ORCH_WORKER"

export default {
  id: "orch",
  // A plugin that throws here vanishes without a word, and one that waits here holds up the start of OpenCode: nothing
  // is awaited, and what goes wrong is told.
  tui: async (api, options = {}) => {
    if (process.env[GUARD]) return
    const directory = api.state.path.directory || process.cwd()
    try {
      const service = connect({ command: options.command ?? "orch", directory })
      const told = (error, what) => {
        log(directory, what, error)
        const message = [error.message, error.help].filter(Boolean).join("\n")
        api.ui.toast({ variant: "error", title: `orch: ${what}`, message, duration: 8000 })
      }
      const state = live(api, service, {
        action: calls(api, (error) => log(directory, "call the person", error)),
        failed: (error) => log(directory, "follow the events", error),
      })
      const { bound, shown: keys, taken } = keysOf(api, options)
      // Whether there are keys to tell people of.
      const [offered, setOffered] = createSignal(true)
      const context = { api, options, service, state, told, keys, bound, taken, offered, setOffered }
      context.markdown = markdown(api, (error) => log(directory, "show Markdown", error))
      context.dialogs = dialogs(api, context.markdown)
      context.page = page(context)
      context.child = child(context)
      const settings = service.get("/v1/plugin", api.lifecycle.signal)
      commands(context, actions(context), settings)
      settings.catch((error) => log(directory, "ask for the settings of the plugin", error))
      sidebar(context)
    } catch (error) {
      log(directory, "start", error)
      api.ui.toast({ variant: "error", title: "orch: the plugin cannot start", message: String(error?.message ?? error) })
    }
  },
}
