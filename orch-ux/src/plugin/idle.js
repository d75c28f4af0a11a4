// A toast when a session of the person has come to rest, and stays there for a while. Those of workers are told of by the
// runs that they belong to.

/** The hook that follows the sessions. */
export function idle(client, settings, failed) {
  const waiting = new Map()

  const forget = (session) => {
    clearTimeout(waiting.get(session))
    waiting.delete(session)
  }
  const tell = async (session, { title, message }) => {
    waiting.delete(session)
    try {
      const { data } = await client.session.get({ path: { id: session } })
      if (!data || data.parentID || data.metadata?.orch) return
      await client.tui.showToast({ body: { title, message, variant: "info" } })
    } catch (error) {
      failed(error)
    }
  }

  return {
    event: async ({ event }) => {
      const session = event.properties?.sessionID
      const rests = event.type === "session.idle"
      if (!rests && event.type !== "session.status" && event.type !== "session.deleted") return
      if (!rests && event.properties?.status?.type === "idle") return
      forget(session)
      const { idle } = await settings
      if (!rests || !idle) return
      forget(session)
      waiting.set(session, setTimeout(() => tell(session, idle), idle.delay_ms))
    },
    dispose: async () => {
      for (const session of [...waiting.keys()]) forget(session)
    },
  }
}
