/** Certificates and keys as PEM text (RFC 7468). Whether they fit each other, Node says when it starts. */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

export function certificate(): Field<string> {
  const cure = "write the file's text: readFileSync('ca.pem', 'utf8')"
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.check(
      (text) => /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(text),
      isNone('certificate', cure),
    ),
  )
}

export function privateKey(): Field<string> {
  const cure = "write the file's text: readFileSync('client.key', 'utf8')"
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.check((text) => /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]+-----END/.test(text), isNone('private key', cure)),
    v.check(
      (text) => !/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text),
      mistake('is encrypted', 'decrypt it where it is kept, and hand it in as a secret'),
    ),
  )
}

function isNone(what: string, cure: string): string {
  return mistake(`is no ${what} in PEM form`, cure)
}
