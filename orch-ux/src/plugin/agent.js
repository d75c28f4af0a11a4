// The agent that delegates, put into the configuration of OpenCode. What the person's own configuration says about an agent
// of that name comes first.

/** The hook that offers the agent. */
export function agent(settings) {
  return {
    config: async (host) => {
      const { agent } = await settings
      if (!agent) return
      const { name, apply_to_build, permission, ...ours } = agent
      ours.permission = {}
      for (const { permission: what, pattern, action } of permission) (ours.permission[what] ??= {})[pattern] = action
      host.agent ??= {}
      host.agent[name] = { ...ours, ...host.agent[name] }
      if (apply_to_build && name !== "build") {
        const { mode, ...same } = ours
        host.agent.build = { ...same, ...host.agent.build }
      }
    },
  }
}
