// A stack names chunks, and with `node --enable-source-maps` the files of src/. A line's place is all that a stack asks for:
// a map of every word would be most of the package. The files that a browser's bundler takes have none: some of them warn
// of each map whose sources are not beside it, and ours are not in the package.
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { decode, encode } from '@jridgewell/sourcemap-codec'

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
    writeFileSync(map, JSON.stringify({ ...rest, names: [], mappings: encode(decode(mappings).map(firstPlace)) }))
    appendFileSync(`${root}/${file}`, `//# sourceMappingURL=${basename(map)}\n`)
  }
}

/** Of a line's segments the first that has a place in a source, for all of the line. */
function firstPlace(segments) {
  const first = segments.find((segment) => segment.length > 1)
  return first === undefined ? [] : [[0, ...first.slice(1, 4)]]
}
