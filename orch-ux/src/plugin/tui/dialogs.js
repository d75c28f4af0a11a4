// Questions to the person, as promises: an answer, or nothing when the dialog was left.

export function dialogs(api) {
  const { dialog } = api.ui

  const ask = (render) =>
    new Promise((resolve) => {
      let answered = false
      const answer = (value) => {
        answered = true
        dialog.clear()
        resolve(value)
      }
      // Called for every way out, also for one dialog that takes the place of another.
      dialog.replace(
        () => render(answer),
        () => answered || resolve(undefined),
      )
    })

  return {
    select: (title, options) =>
      ask((answer) => api.ui.DialogSelect({ title, options, onSelect: (option) => answer(option.value) })),
    text: (title, { placeholder, value } = {}) =>
      ask((answer) => api.ui.DialogPrompt({ title, placeholder, value, onConfirm: answer })),
    confirm: (title, message) =>
      ask((answer) =>
        api.ui.DialogConfirm({ title, message, onConfirm: () => answer(true), onCancel: () => answer(false) }),
      ),
  }
}
