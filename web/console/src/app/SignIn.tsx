import { Button, Divider, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { api, ask, setCSRF } from '@/api/client.ts'
import { meKey } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import classes from './SignIn.module.css'
import { words } from './words.ts'

/** inside returns an address of this console, and the first page for anything else. */
export function inside(to: string | null): string {
  const own = to && /^\/(?![/\\])/.test(to) && !/\p{Cc}/u.test(to) // browsers leave out line breaks and tabs
  return own && !to.startsWith('/sign-in') ? to : '/'
}

/** SignIn exchanges a key for a session, or sends people to their organisation, and then back to where they were. */
export function SignIn() {
  const t = useWords(words)
  const [query] = useSearchParams()
  const to = inside(query.get('to'))
  const ways = useQuery({ queryKey: ['ways'], queryFn: ({ signal }) => ask(api.GET('/auth/ways', { signal })) })
  useEffect(() => {
    document.title = `${t('signIn')} · Concord`
  })
  return (
    <main className={classes['page']}>
      <Paper className={classes['card']!} withBorder>
        <img src="/icon.svg" alt="" width={40} height={40} />
        <Title order={1}>{t('signInTitle')}</Title>
        {ways.isPending && <Loading rows={3} />}
        {ways.error && <ErrorBox error={ways.error} retry={() => void ways.refetch()} />}
        {ways.data?.provider && (
          <Button component="a" href={`/auth/login?to=${encodeURIComponent(to)}`} fullWidth>
            {t('withProvider')}
          </Button>
        )}
        {ways.data?.provider && ways.data.key && <Divider label={t('or')} w="100%" />}
        {ways.data?.key && <KeyForm to={to} />}
        {ways.data && !ways.data.key && !ways.data.provider && !ways.data.developer && (
          <Text>{t('noWay')}</Text>
        )}
        {ways.data?.developer && <Back to={to} />}
      </Paper>
    </main>
  )
}

function Back({ to }: { to: string }) {
  const navigate = useNavigate()
  useEffect(() => void navigate(to, { replace: true }), [navigate, to])
  return null
}

function KeyForm({ to }: { to: string }) {
  const t = useWords(words)
  const navigate = useNavigate()
  const client = useQueryClient()
  const [key, setKey] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    try {
      const me = await ask(api.POST('/auth/session', { body: { key: key.trim() } }))
      setCSRF(me.csrfToken ?? '')
      client.clear()
      client.setQueryData(meKey, me)
      await navigate(to, { replace: true })
    } catch (cause) {
      setError(cause)
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)} className={classes['form']}>
      <Stack gap="sm">
        <PasswordInput
          label={t('keyLabel')}
          description={t('keyHelp')}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          autoComplete="off"
          autoFocus
          required
        />
        {error !== undefined && <ErrorBox error={error} />}
        <Button type="submit" loading={busy} fullWidth>
          {t('signIn')}
        </Button>
      </Stack>
    </form>
  )
}
