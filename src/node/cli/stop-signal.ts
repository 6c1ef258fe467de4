/** Ctrl-C and its kin: the first one asks for an end, the second one makes it. */

/** npm hands on the Ctrl-C that the terminal sent to us as well: two so close together are one. */
const sameSignalMs = 250

export interface StopSignal {
  /** Resolves with the name of the first signal. */
  readonly signalled: Promise<string>
  forget(): void
}

export function stopSignal(): StopSignal {
  const { promise, resolve } = Promise.withResolvers<string>()
  let firstAt: number | undefined
  const listener = (signal: NodeJS.Signals) => {
    const now = performance.now()
    firstAt ??= now
    if (now - firstAt > sameSignalMs) process.exit(signal === 'SIGINT' ? 130 : 143)
    resolve(signal)
  }
  process.on('SIGINT', listener)
  process.on('SIGTERM', listener)
  return {
    signalled: promise,
    forget() {
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    },
  }
}
