/**
 * How many answers may be under way where the operator does not say: so many that what they keep fits into the memory
 * that the process may have.
 */
import { totalmem } from 'node:os'

const most = 16_384
/** An open answer is 48 KB of connections, and of its body up to 64 KB wait for a client who reads slowly. */
const bytesEach = 128 * 1024

/** @param memoryBytes default: what this process may have, by its container if that has a limit */
export function defaultMaxRequests(memoryBytes = memoryOf(process.constrainedMemory(), totalmem())): number {
  return Math.max(1, Math.min(most, Math.floor(memoryBytes / bytesEach)))
}

/** Without a limit it is 0, undefined, or a number beyond all memory, as the platform has it. */
export function memoryOf(constrainedBytes: number | undefined, totalBytes: number): number {
  const isLimited = constrainedBytes !== undefined && constrainedBytes > 0 && constrainedBytes < totalBytes
  return isLimited ? constrainedBytes : totalBytes
}
