// The half that runs inside the OpenCode server: it lends the server to the service of the project, offers the tools and
// the agent by which a model delegates, and applies what requests have no place for.

import { agent } from "./agent.js"
import { idle } from "./idle.js"
import { lend } from "./lend.js"
import { log } from "./log.js"
import { connect } from "./service.js"
import { temperature } from "./temperature.js"
import { tools } from "./tools.js"

/** Set in every OpenCode that belongs to a worker: a worker must not start workflows of its own. */
const GUARD = "ORCH_WORKER"
/** OpenCode does not start before it knows its agents: how long it waits for the service, in milliseconds. */
const PATIENCE = 3000

/** The directories that this process serves with the plugin in it. */
const served = (globalThis[Symbol.for("orch.served")] ??= new Set())

export default {
  id: "orch",
  server: async (input, options = {}) => {
    if (process.env[GUARD]) return {}
    const { directory } = input
    // Installed for a person and in the project, it is loaded twice.
    if (served.has(directory)) return {}
    served.add(directory)
    const failed = (what) => (error) => log(directory, what, error)
    const { greet, lent } = lend(input, failed("lend the server"))
    const service = connect({ command: options.command ?? "orch", directory, greet })
    // As long as this server lives, the service stays, and one that takes its place is lent to as well.
    const gone = new AbortController()
    service.follow(gone.signal, {})
    const settings = within(PATIENCE, service.get("/v1/plugin")).catch((error) => {
      failed("ask for the settings of the plugin")(error)
      return {}
    })
    const resting = idle(input.client, settings, failed("tell that a session rests"))
    return {
      ...tools(service, lent),
      ...agent(settings),
      ...temperature(input.client),
      ...resting,
      dispose: async () => {
        served.delete(directory)
        gone.abort()
        await resting.dispose()
      },
      // The password of the server is not for the commands of its agents.
      "shell.env": async (_, output) => {
        output.env.OPENCODE_SERVER_PASSWORD = ""
        output.env.OPENCODE_SERVER_USERNAME = ""
      },
    }
  },
}

function within(ms, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
