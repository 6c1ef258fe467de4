/** The demo on Workers: the same configuration as on Node, with the Worker's variables as its environment. */
import { worker } from '../../src/workers/index.ts'
import config from '../coatcheck.config.mts'

export default worker(config)
