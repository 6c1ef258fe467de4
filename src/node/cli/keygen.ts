/** Prints a new session secret: 32 random bytes, in the one writing of them that is accepted. */
import { randomBytes } from 'node:crypto'
import { print } from './io.ts'

export async function keygen(): Promise<number> {
  print(randomBytes(32).toString('base64url'))
  return 0
}
