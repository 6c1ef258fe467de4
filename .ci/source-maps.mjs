// A stack names chunks, and with `node --enable-source-maps` the files of src/. A line's place is all that a stack asks for:
// a map of every word would be most of the package. The files that a browser's bundler takes have none: some of them warn
// of each map whose sources are not beside it, and ours are not in the package.
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/**
 * Makes the maps that esbuild wrote (`sourcemap: 'external'`) small, and names each in the file that it is of.
 *
 * @param outputs of esbuild's metafile, by paths below `root`
 */
export function thinSourceMaps(root, outputs) {
  for (const [file, { inputs }] of Object.entries(outputs)) {
    if (!file.endsWith('.js')) continue
    const map = `${root}/${file}.map`
    const sources = Object.keys(inputs)
    if (sources.length === 0 || sources.some((source) => source.startsWith('src/client/'))) {
      rmSync(map)
      continue
    }
    const { mappings, ...rest } = JSON.parse(readFileSync(map, 'utf8'))
    writeFileSync(map, JSON.stringify({ ...rest, names: [], mappings: firstOfEachLine(mappings) }))
    appendFileSync(`${root}/${file}`, `//# sourceMappingURL=${basename(map)}\n`)
  }
}

/**
 * ECMA-426: lines by `;`, segments by `,`, each of four or five numbers: the column, which begins anew with each line, and
 * source, line, column and name, which are the differences to those before.
 */
function firstOfEachLine(mappings) {
  const at = [0, 0, 0]
  let told = [0, 0, 0]
  const lines = mappings.split(';').map((line) => {
    let first
    for (const segment of line.split(',')) {
      const [, ...differences] = decode(segment)
      if (differences.length === 0) continue
      for (const index of at.keys()) at[index] += differences[index]
      first ??= [...at]
    }
    if (first === undefined) return ''
    const differences = first.map((value, index) => value - told[index])
    told = first
    return encode([0, ...differences])
  })
  return lines.join(';')
}

/** Base64 VLQ: five bits a digit, the lowest first, the sixth for more to come; the lowest of all is the sign. */
function decode(segment) {
  const numbers = []
  let value = 0
  let shift = 0
  for (const character of segment) {
    const digit = digits.indexOf(character)
    value += (digit & 31) << shift
    shift += 5
    if (digit & 32) continue
    numbers.push(value & 1 ? -(value >> 1) : value >> 1)
    value = shift = 0
  }
  return numbers
}

function encode(numbers) {
  let text = ''
  for (const number of numbers) {
    let rest = number < 0 ? (-number << 1) | 1 : number << 1
    do {
      const digit = rest & 31
      rest >>>= 5
      text += digits[rest > 0 ? digit | 32 : digit]
    } while (rest > 0)
  }
  return text
}
