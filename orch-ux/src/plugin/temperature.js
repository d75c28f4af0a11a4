// The temperature of a worker's profile, for which the requests of OpenCode have no place: orch leaves it on the session
// that it makes.

/** The hook that applies it. */
export function temperature(client) {
  return {
    "chat.params": async ({ sessionID }, output) => {
      const session = await client.session.get({ path: { id: sessionID } })
      const wanted = Number.parseFloat(session.data?.metadata?.orch?.temperature ?? "")
      if (Number.isFinite(wanted)) output.temperature = wanted
    },
  }
}
