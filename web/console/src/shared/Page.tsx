import { Group, Title } from '@mantine/core'
import { useEffect, type ReactNode } from 'react'
import { Link } from 'react-router'
import classes from './Page.module.css'

export interface PageProps {
  title: string
  /** Where one has come from, each with its address. */
  trail?: readonly { text: string; to: string }[]
  /** Beside the title. */
  mark?: ReactNode
  /** At the right end of the title's line. */
  actions?: ReactNode
  /** One sentence below the title. */
  text?: ReactNode
  children: ReactNode
}

/** Page is the frame of every page: its title, which is that of the window, too, and its actions. */
export function Page({ title, trail, mark, actions, text, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Concord`
  }, [title])
  return (
    <div className={classes['page']}>
      <header className={classes['head']} role="presentation">
        {trail && (
          <nav aria-label={title} className={classes['trail']}>
            {trail.map((step, i) => (
              <span key={step.to}>
                <Link to={step.to}>{step.text}</Link>
                {i < trail.length - 1 && <span aria-hidden="true"> / </span>}
              </span>
            ))}
          </nav>
        )}
        <Group justify="space-between" gap="sm" wrap="wrap">
          <Group gap="sm" wrap="wrap" className={classes['title']!}>
            <Title order={1}>{title}</Title>
            {mark}
          </Group>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
        {text && <p className={classes['text']}>{text}</p>}
      </header>
      {children}
    </div>
  )
}

/** Section is a titled part of a page on a surface of its own. */
export function Section(props: { title: string; actions?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={`card ${classes['section']}`} aria-label={props.title}>
      <div className={classes['sectionHead']}>
        <Title order={2}>{props.title}</Title>
        {props.actions && <Group gap="xs">{props.actions}</Group>}
      </div>
      <div className={props.flush ? undefined : classes['sectionBody']}>{props.children}</div>
    </section>
  )
}
