import { part } from '../dom.js'

let asking: Promise<string | undefined> | undefined

/** Asks the reader for the server's token; undefined when they do not give one. One question at a time. */
export function askToken(isWrong: boolean): Promise<string | undefined> {
  return (asking ??= show(isWrong).finally(() => (asking = undefined)))
}

function show(isWrong: boolean): Promise<string | undefined> {
  const dialog = part<HTMLDialogElement>('token')
  const input = part<HTMLInputElement>('token-value')
  if (isWrong)
    part('token-why').textContent = 'That is not the right token. It is the value of SEROTINE_TOKEN, or of --token.'
  input.value = ''
  dialog.returnValue = ''
  dialog.showModal()
  input.focus()
  return new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        const value = input.value.trim()
        input.value = ''
        resolve(dialog.returnValue === 'ok' && value !== '' ? value : undefined)
      },
      { once: true },
    )
  })
}
