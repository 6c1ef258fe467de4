/** Icons, drawn on a grid of 24. They say nothing that the text beside them does not. */

const paths = {
  orders: 'M6 3.5h12v17l-3-2-3 2-3-2-3 2zM9 8.5h6M9 12.5h6',
  beans:
    'M7 17C3.5 13 5.5 6.500 10 4.500S19 5 19.500 9.500 15.500 20 11.500 20 8.300 18.500 7 17zM8 18.500c1-4 6.500-4.500 7-8.500.3-2.300 1.500-3.500 3-4',
  files: 'M6 3.500h8l4 4v13H6zM14 3.500v4h4M9 13h6M9 16.500h6',
  live: 'M3 12h4l2.500-6.500 4.500 13 2.500-6.500h4.500',
  account: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c.8-4 3.800-6 7.500-6s6.700 2 7.500 6',
  errors: 'M12 4 2.800 19.500h18.400zM12 10v4.500M12 17v.2',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}

/** A cloakroom ticket with a coffee bean on it. */
export function Brand() {
  return (
    <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
      <path
        className="ticket"
        d="M5 5h22a2 2 0 0 1 2 2v6a3 3 0 0 0 0 6v6a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-6a3 3 0 0 0 0-6V7a2 2 0 0 1 2-2z"
      />
      <g transform="rotate(32 16 16)">
        <ellipse className="bean" cx="16" cy="16" rx="5" ry="7.2" />
        <path className="seam" d="M16 8.8c-2.6 3 2.6 4.4 0 7.2s2.600 4.200 0 7.200" />
      </g>
    </svg>
  )
}
