// The tools by which a model delegates: `task_start`, `task_await`, `task_peek`, `task_list`, `task_cancel`. What they may
// do and what they answer is decided by the service; here are their names and their arguments.

const text = (description) => ({ type: "string", description })
const taskId = text("The id that task_start gave")

/** The name of each tool with what the model reads about it. */
const TOOLS = {
  task_start: {
    description:
      "Delegates a task to a worker or to a workflow of several workers, and returns at once with its taskId. The worker " +
      "sees nothing of this conversation: say in `task` everything that it has to know. Then wait with task_await.",
    required: ["task"],
    properties: {
      task: text("What is to be done, with everything that the worker has to know"),
      kind: {
        type: "string",
        enum: ["auto", "worker", "workflow"],
        description:
          "auto picks a worker by the words of the task; worker is the one in workerId; workflow the one in workflowId. " +
          "Default: what is named, else auto",
      },
      workerId: text("The worker's profile, such as coder, docs, architect, explorer, reviewer"),
      workflowId: text("The workflow, such as build"),
      attachments: {
        type: "array",
        description: "Files of the project to hand over: text or images",
        items: {
          type: "object",
          additionalProperties: false,
          required: ["path"],
          properties: { path: text("Its path"), type: { type: "string", enum: ["image", "file"] } },
        },
      },
      timeoutMs: { type: "integer", minimum: 1, description: "How long each step may be at work, in milliseconds" },
    },
  },
  task_await: {
    description:
      "Waits until a task is at rest, and returns its answer. A task that is still running after the time says what it " +
      "does: await it again. A task that is paused waits for a decision that only a person can make: tell them.",
    required: ["taskId"],
    properties: {
      taskId,
      timeoutMs: { type: "integer", minimum: 0, description: "How long to wait; default 120000, at most 240000" },
    },
  },
  task_peek: {
    description: "Tells how a task stands, without waiting.",
    required: ["taskId"],
    properties: { taskId },
  },
  task_list: {
    description: "Lists the newest tasks that this session has delegated, without their answers.",
    required: [],
    properties: { limit: { type: "integer", minimum: 1, description: "At most this many; default 20" } },
  },
  task_cancel: {
    description: "Calls off a task that this session has delegated.",
    required: ["taskId"],
    properties: { taskId },
  },
}

/** What is asked of the service for each; `lent` tells the name of this host there. */
const CALLS = {
  task_start: (service, start, { sessionID, abort }, lent) =>
    service.post("/v1/tasks", async () => ({ start, session: sessionID, host: await lent() }), abort),
  task_await: (service, { taskId, timeoutMs }, { abort }) =>
    service.get(`/v1/tasks/${encodeURIComponent(taskId)}/await${query({ timeout_ms: timeoutMs })}`, abort),
  task_peek: (service, { taskId }, { abort }) => service.get(`/v1/tasks/${encodeURIComponent(taskId)}`, abort),
  task_list: (service, { limit }, { sessionID, abort }) =>
    service.get(`/v1/tasks${query({ session: sessionID, limit })}`, abort),
  task_cancel: (service, { taskId }, { sessionID, abort }) =>
    service.post(`/v1/tasks/${encodeURIComponent(taskId)}/cancel${query({ session: sessionID })}`, {}, abort),
}

/** The hooks that offer the tools. */
export function tools(service, lent) {
  const entries = Object.entries(TOOLS).map(([name, { description, properties }]) => {
    const execute = async (args, context) => {
      try {
        return JSON.stringify(await CALLS[name](service, args, context, lent), null, 2)
      } catch (error) {
        if (context.abort?.aborted) throw error
        // The model reads this, and may do better next time.
        throw new Error([error.message, error.help, error.code && `(${error.code})`].filter(Boolean).join(" "))
      }
    }
    return [name, { description, args: properties, execute }]
  })
  return {
    tool: Object.fromEntries(entries),
    // By itself the host takes every argument for a required one, and hands nested ones on without their shape.
    "tool.definition": async ({ toolID }, output) => {
      if (!Object.hasOwn(TOOLS, toolID)) return
      const { properties, required } = TOOLS[toolID]
      const schema = { type: "object", additionalProperties: false, required, properties }
      output.parameters = schema
      output.jsonSchema = schema
    },
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null)
  return given.length ? "?" + new URLSearchParams(given.map(([name, value]) => [name, String(value)])) : ""
}
