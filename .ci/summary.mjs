/** The last line of a run: how many tests passed and failed, of vitest's own report. */
import { readFileSync } from 'node:fs'

try {
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync('test-results/vitest.json', 'utf8'))
  console.log(`${numPassedTests} passed, ${numFailedTests} failed`)
} catch {
  console.log('0 passed, 1 failed')
  process.exitCode = 1
}
