// Where the plugin says what went wrong: the screen belongs to OpenCode.

import fs from "node:fs"
import os from "node:os"
import path from "node:path"

const state = process.env.XDG_STATE_HOME || path.join(os.homedir(), ".local", "state")
export const file = path.join(state, "orch", "plugin.log")

export function log(place, what, error) {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    const line = `${new Date().toISOString()} ${place}: ${what}: ${error?.message ?? error}\n`
    fs.appendFileSync(file, line, { mode: 0o600 })
  } catch {
    // There is no other place to say it.
  }
}
