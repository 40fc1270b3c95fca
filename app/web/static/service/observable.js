// A value that tells when it changes, and the hook that follows it.
import {useState, useEffect} from '../html.js';

export function observable(value) {
  const followers = new Set();
  return {
    get value() {
      return value;
    },
    set(next) {
      value = next;
      followers.forEach(follower => follower(next));
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}

export function useObservable(source) {
  const [value, setValue] = useState(source.value);
  useEffect(() => {
    setValue(source.value);
    return source.follow(setValue);
  }, [source]);
  return value;
}
