/** Which fields of others' go with an answer of the guard that comes in the place of theirs. Names in small letters. */

/** Of an answer that was begun: these say who may read it, and nothing of what is behind. */
export const keptFields = /^(?:vary|access-control-.*)$/

/**
 * Of what was set in front of the guard, these do not: they speak of a body, which is another one now, or have caches keep it
 * (RFC 9110 §8, RFC 9111 §5, RFC 9213).
 */
export const fieldsOfBody =
  /^(?:content-(?!security-policy).*|etag|last-modified|expires|age|.+-cache-control|surrogate-control)$/
